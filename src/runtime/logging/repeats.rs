//! What is logged again and again: of each place in the program the first of ten seconds are told, and of the rest how many they
//! were. Who did what (`audit`) is always told; a customer's part of that is counted before it comes here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Of all subscribers, of which a process has one.
static SPELLS: Mutex<Option<AHashMap<Identifier, Spell>>> = Mutex::new(None);

/// Told of each place in a spell.
const MOST: u32 = 100;
const SPELL_NS: u64 = 10_000_000_000;

#[derive(Clone, Copy, Debug)]
struct Spell {
    began_ns: u64,
    told: u32,
    untold: u64,
    metadata: &'static Metadata<'static>,
}

/// Lets an event through, or counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeats {
    pub(super) now_ns: fn() -> u64,
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        metadata.target() == "audit" || may_tell(metadata, (self.now_ns)())
    }
}

fn may_tell(metadata: &'static Metadata<'static>, now_ns: u64) -> bool {
    let mut spells = lock();
    let spells = spells.get_or_insert_default();
    let spell = spells.entry(metadata.callsite()).or_insert(Spell { began_ns: now_ns, told: 0, untold: 0, metadata });
    // What is untold waits for `tell_untold`, whenever that comes.
    if now_ns.saturating_sub(spell.began_ns) >= SPELL_NS {
        (spell.began_ns, spell.told) = (now_ns, 0);
    }
    if spell.told < MOST {
        spell.told += 1;
        return true;
    }
    spell.untold += 1;
    false
}

/// Says how many were not told, of each place whose spell is over.
pub(super) fn tell_untold(now_ns: u64) {
    for (metadata, count) in take_untold(now_ns) {
        let (place, line) = (metadata.target(), metadata.line());
        match *metadata.level() {
            Level::ERROR => tracing::error!(place, line, count, "more of the same within ten seconds"),
            Level::WARN => tracing::warn!(place, line, count, "more of the same within ten seconds"),
            _ => tracing::info!(place, line, count, "more of the same within ten seconds"),
        }
    }
}

fn take_untold(now_ns: u64) -> Vec<(&'static Metadata<'static>, u64)> {
    let mut spells = lock();
    let over = |spell: &&mut Spell| spell.untold > 0 && now_ns.saturating_sub(spell.began_ns) >= SPELL_NS;
    let spells = spells.iter_mut().flat_map(|spells| spells.values_mut()).filter(over);
    spells.map(|spell| (spell.metadata, std::mem::take(&mut spell.untold))).collect()
}

fn lock() -> MutexGuard<'static, Option<AHashMap<Identifier, Spell>>> {
    SPELLS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    static NOW: AtomicU64 = AtomicU64::new(1);
    static TOLD: AtomicU64 = AtomicU64::new(0);

    struct Count;

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            TOLD.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn told(work: impl FnOnce()) -> u64 {
        let before = TOLD.load(Ordering::Relaxed);
        work();
        TOLD.load(Ordering::Relaxed) - before
    }

    #[test]
    fn of_what_repeats_the_first_are_told_then_their_number_and_the_audit_always() {
        let repeats = Repeats { now_ns: || NOW.load(Ordering::Relaxed) };
        let flapping = || tracing::warn!("link down");
        let untold = || {
            let untold = take_untold(NOW.load(Ordering::Relaxed)).into_iter();
            untold
                .filter(|(metadata, _)| metadata.target().ends_with("repeats::tests"))
                .map(|(_, count)| count)
                .collect::<Vec<u64>>()
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Count).with(repeats), || {
            assert_eq!(told(|| (0..250).for_each(|_| flapping())), 100);
            assert_eq!(told(|| tracing::warn!("another place")), 1);
            assert_eq!(told(|| (0..250).for_each(|_| tracing::info!(target: "audit", "who did what"))), 250);
            assert_eq!(untold(), Vec::<u64>::new());
            NOW.fetch_add(SPELL_NS, Ordering::Relaxed);
            assert_eq!(untold(), [150]);
            assert_eq!(told(|| (0..3).for_each(|_| flapping())), 3);
        });
    }
}
