//! Long MO as simulated carriers deliver them: part by part, in any order, some of them twice and some never.

use trunkline::smpp::segment::Mark;

use crate::ledger::Item;
use crate::sim::{Event, Sim};
use crate::text::{Part, mo_part_body};

impl Sim {
    /// One from somebody, with a reference that others have had; perhaps with a part missing, or one that comes again.
    pub(crate) fn send_some_long_mo(&mut self, carrier: usize, account: usize) {
        let (total, mark) = (2 + self.rng.below(4) as u8, self.rng.pick(&[Mark::Udh8, Mark::Udh16, Mark::Sar]));
        let reference = self.rng.below(20) as u16;
        let source = format!("49170000000{}", self.rng.below(5));
        let missing = self.rng.chance(100).then(|| 1 + self.rng.below(u64::from(total)) as u8);
        // A short queue is full of what is not whole for ten minutes, and of what it had no room for meanwhile for ten more.
        let is_short = self.base.accounts[account].delivery_queue <= 100;
        let (total, missing) = if is_short { (2, None) } else { (total, missing) };
        let reference = if is_short { 100 + (self.ledger.items.len() % 50_000) as u16 } else { reference };
        let mark = if is_short { Mark::Udh16 } else { mark };
        for number in (1..=total).filter(|number| Some(*number) != missing) {
            let part = Part { mark, reference, total, number };
            let item = self.mo_part(carrier, account, &source, part);
            let after = self.rng.pick(&[(0, 5), (0, 500), (0, 5_000)]);
            self.plan_ms(after, Event::SmscDelivers { carrier, number: item });
            if !is_short && self.rng.chance(100) {
                self.send_again(carrier, item, (0, 20_000));
            }
        }
    }

    /// A part that the carrier has, and is planned to deliver by whoever asks.
    pub(crate) fn mo_part(&mut self, carrier: usize, account: usize, source: &str, part: Part) -> u32 {
        let number = self.ledger.next_item();
        let body = mo_part_body(number, (source, &format!("1000{account}")), part);
        let entry = Item { receipt: None, account, body, acked: false, acked_durable: false, reached: 0 };
        self.ledger.items.insert(number, entry);
        self.smscs[carrier].undelivered.insert(number);
        number
    }

    /// The carrier delivers this once more, whether it was acknowledged or not.
    pub(crate) fn send_again(&mut self, carrier: usize, number: u32, after_ms: (u64, u64)) {
        self.smscs[carrier].undelivered.insert(number);
        self.plan_ms(after_ms, Event::SmscDelivers { carrier, number });
    }
}
