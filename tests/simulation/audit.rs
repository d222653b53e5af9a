//! What can only be said at the end, when all is quiet.

use trunkline::smpp::command::CommandStatus;

use crate::ledger::{Item, Ledger, Submit};

impl Ledger {
    /// Everything submitted was settled, and every promise was kept.
    pub(crate) fn audit(&self) {
        for (tag, submit) in &self.submits {
            self.audit_submit(*tag, submit);
        }
        for (number, item) in &self.items {
            let is_awaited = item.receipt.is_none() && !self.purged.contains(number);
            if is_awaited && item.acked && item.reached == 0 {
                self.fail(&format!("A4: MO #{number} was acknowledged and never delivered"));
            }
        }
    }

    fn audit_submit(&self, tag: u32, submit: &Submit) {
        let accepted = submit.accepted_by.len();
        if accepted > 1 + self.retried(submit) {
            self.fail(&format!("A5: T{tag} was accepted by carriers {:?}", submit.accepted_by));
        }
        match &submit.answer {
            None if submit.is_lost => {}
            // `check_web` asks how it stands.
            Some((status, _)) if status.is_ok() && self.is_web(tag) => {
                if accepted == 0 && !self.storing.contains(&submit.account) {
                    self.fail(&format!("A1: T{tag} was accepted and no carrier took it"));
                }
            }
            None => self.fail(&format!("T{tag} was never answered")),
            Some((status, _)) if status.is_ok() && self.storing.contains(&submit.account) => {
                self.audit_stored(tag, submit);
                if accepted != 0 && submit.wants_receipt && submit.told.is_empty() && !self.unpromised.contains(&tag) {
                    self.audit_receipts(tag, submit);
                }
            }
            Some((status, _)) if status.is_ok() => {
                if accepted == 0 {
                    self.fail(&format!("A1: T{tag} was answered ESME_ROK and no carrier took it"));
                }
                if submit.wants_receipt && !self.unpromised.contains(&tag) {
                    self.audit_receipts(tag, submit);
                }
            }
            Some((status, _)) => {
                // A status of a carrier may be this one too, but ours never send it.
                if *status != CommandStatus::RUNKNOWNERR && accepted != 0 {
                    self.fail(&format!("A2: T{tag} was answered {status} though a carrier took it"));
                }
            }
        }
    }

    fn audit_receipts(&self, tag: u32, submit: &Submit) {
        let of_submit =
            |item: &Item| item.receipt.as_ref().is_some_and(|(other, shape)| *other == tag && shape.state.is_final());
        let acked: Vec<_> = self.items.iter().filter(|(_, item)| item.acked && of_submit(item)).collect();
        if acked.is_empty() || acked.iter().any(|(number, _)| self.purged.contains(number)) {
            return;
        }
        let told: Vec<_> = acked.iter().filter_map(|(number, item)| self.is_told(submit, **number, item)).collect();
        if !told.is_empty() {
            if !told.contains(&true) {
                self.fail(&format!("A4: the receipt of T{tag}, a part, was acknowledged and never delivered"));
            }
            return;
        }
        if !acked.iter().any(|(_, item)| item.acked_durable) && !self.outcomes_only {
            self.fail(&format!("A4: the receipt of T{tag} was acknowledged before it was durable"));
        }
        if acked.iter().all(|(_, item)| item.reached == 0) {
            self.fail(&format!("A4: the receipt of T{tag} was acknowledged and never delivered"));
        }
    }
}
