//! What is to happen later, in slots of one millisecond. The slots are used again and again: a job costs no allocation.

/// Slots; a job further away than this many milliseconds is looked at once in each round.
const SLOTS: usize = 4096;

const TICK_NS: u64 = 1_000_000;

pub(super) struct Wheel<T> {
    slots: Vec<Vec<(u64, T)>>,
    /// The tick whose slot is looked at next.
    tick: u64,
}

impl<T> Wheel<T> {
    #[must_use]
    pub(super) fn new(now_ns: u64) -> Self {
        let slots = std::iter::repeat_with(Vec::new).take(SLOTS).collect();
        Self { slots, tick: now_ns / TICK_NS }
    }

    /// Not before `due_ns`, and about a tick after it at most.
    pub(super) fn schedule(&mut self, due_ns: u64, job: T) {
        let tick = due_ns.div_ceil(TICK_NS).max(self.tick);
        self.slots[tick as usize % SLOTS].push((tick, job));
    }

    /// Moves what is due to the end of `due`, in order of time.
    pub(super) fn advance(&mut self, now_ns: u64, due: &mut Vec<T>) {
        let now = now_ns / TICK_NS;
        while self.tick <= now {
            let slot = &mut self.slots[self.tick as usize % SLOTS];
            // Jobs of a later round stay.
            let tick = self.tick;
            due.extend(slot.extract_if(.., |(due, _)| *due <= tick).map(|(_, job)| job));
            self.tick += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_at(wheel: &mut Wheel<&'static str>, now_ms: u64) -> Vec<&'static str> {
        let mut due = Vec::new();
        wheel.advance(now_ms * TICK_NS, &mut due);
        due
    }

    #[test]
    fn jobs_come_out_when_they_are_due_in_order_of_time() {
        let mut wheel = Wheel::new(0);
        wheel.schedule(7_500_000, "late");
        wheel.schedule(2_000_000, "soon");
        wheel.schedule(0, "now");
        assert_eq!(due_at(&mut wheel, 0), ["now"]);
        assert!(due_at(&mut wheel, 1).is_empty());
        assert_eq!(due_at(&mut wheel, 8), ["soon", "late"]);
        assert!(due_at(&mut wheel, 100).is_empty());
    }

    #[test]
    fn a_job_beyond_one_round_waits_for_its_own() {
        let mut wheel = Wheel::new(0);
        wheel.schedule(5_000 * TICK_NS, "far");
        wheel.schedule((5_000 - SLOTS as u64) * TICK_NS, "near");
        assert_eq!(due_at(&mut wheel, 4_000), ["near"]);
        assert!(due_at(&mut wheel, 4_999).is_empty());
        assert_eq!(due_at(&mut wheel, 5_000), ["far"]);
    }

    #[test]
    fn a_job_due_in_the_past_is_due_at_the_next_look() {
        let mut wheel = Wheel::new(50 * TICK_NS);
        assert!(due_at(&mut wheel, 60).is_empty());
        wheel.schedule(3 * TICK_NS, "missed");
        assert_eq!(due_at(&mut wheel, 61), ["missed"]);
    }
}
