//! What files of call detail records say at the end, held against what customers and carriers saw.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::config::UnrequestedReceipts;
use trunkline::engine::cdr::{Event as Happened, Line};
use trunkline::smpp::view::SmView;

use crate::ledger::Submit;
use crate::sim::Sim;
use crate::web::NO_WIRE;

/// By account and the id its customer knows.
type Known<'a> = (&'a [u8], &'a [u8]);

impl Sim {
    /// Every message has its lines, each once.
    pub(crate) fn audit_cdr(&self) {
        if self.base.cdr.is_none() {
            return;
        }
        let lines = self.cdr.lines();
        self.audit_lines(&lines);
        let (mut accepted, mut finals) = (BTreeSet::new(), BTreeMap::<Known<'_>, Vec<&Line<'_>>>::new());
        for line in &lines {
            let known = if line.message.is_empty() { line.id } else { line.message };
            match line.event {
                Happened::Accepted => drop(accepted.insert((line.account, known, line.to))),
                Happened::Final => finals.entry((line.account, known)).or_default().push(line),
                Happened::Refused | Happened::Undelivered => {}
            }
        }
        for (tag, submit) in &self.ledger.submits {
            let Some((status, id)) = &submit.answer else { continue };
            if !status.is_ok() || self.ledger.is_web(*tag) {
                continue;
            }
            let account = self.base.accounts[submit.account].name.as_bytes();
            let to = SmView::submit(&submit.body).map_or(&b""[..], |view| view.destination.digits);
            if !accepted.contains(&(account, &id[..], to)) {
                self.fail(&format!("T{tag} was accepted, and no line says so"));
            }
            self.audit_finals(*tag, submit, finals.get(&(account, &id[..])).map_or(&[], Vec::as_slice));
        }
        self.audit_refused(&lines);
    }

    /// None says more of a submit than there is to say.
    fn audit_lines(&self, lines: &[Line<'_>]) {
        let mut by_id: BTreeMap<(&[u8], &[u8]), [u32; 4]> = BTreeMap::new();
        for line in lines.iter().filter(|line| !line.id.is_empty()) {
            by_id.entry((line.account, line.id)).or_default()[line.event as usize] += 1;
        }
        for ((account, id), [accepted, finals, refused, undelivered]) in by_id {
            let is_sound = accepted + refused == 1 && finals <= 1 && (finals + undelivered == 0 || accepted == 1);
            if !is_sound {
                let id = String::from_utf8_lossy(id);
                let account = String::from_utf8_lossy(account);
                self.fail(&format!(
                    "{id} of {account} has {accepted} accepted, {finals} final, {refused} refused lines"
                ));
            }
        }
    }

    /// What came to its end has a line, which says what its receipt said.
    fn audit_finals(&self, tag: u32, submit: &Submit, lines: &[&Line<'_>]) {
        let items = self.ledger.items.values();
        let of_it = items.filter_map(|item| Some((item, item.receipt.as_ref().filter(|(of, _)| *of == tag)?)));
        let ended: Vec<_> = of_it.filter(|(_, (_, shape))| shape.state.is_final()).collect();
        // One that came again while its account was unknown was told to be so, and its submit ends with its retention.
        let is_promised = !self.ledger.unpromised.contains(&tag);
        if is_promised && ended.iter().any(|(item, _)| item.reached > 0) && lines.is_empty() {
            self.fail(&format!("T{tag} has come to its end, and no line says so"));
        }
        let is_alone = lines.iter().all(|line| line.message.is_empty());
        let states: Vec<_> = ended.iter().map(|(_, (_, shape))| shape.state.name().as_bytes()).collect();
        if let Some(line) = lines.iter().find(|line| line.reason.is_empty() && !states.contains(&line.state))
            && is_alone
        {
            let state = String::from_utf8_lossy(line.state);
            self.fail(&format!("the line of T{tag} says {state}, and no receipt of it did"));
        }
        let passes = self.base.accounts[submit.account].unrequested_receipts == UnrequestedReceipts::Pass;
        let has_end = !submit.wants_receipt && !passes || !submit.told.is_empty();
        if self.ledger.storing.contains(&submit.account) && has_end && is_alone && lines.is_empty() {
            self.fail(&format!("T{tag} was stored, nothing more will be heard of it, and no line says so"));
        }
    }

    /// Every answer that refuses has its line. Those that were refused as they came have no ids, so they are counted.
    fn audit_refused(&self, lines: &[Line<'_>]) {
        if self.cdr.lacks_refusals {
            return;
        }
        let mut refused = vec![0_usize; self.base.accounts.len()];
        for (_, tags) in self.ledger.by_sequence.iter().filter(|((wire, _), _)| *wire != NO_WIRE) {
            let submits = tags.iter().filter_map(|tag| self.ledger.submits.get(tag));
            let answers: Vec<_> =
                submits.filter_map(|submit| Some((submit.account, submit.answer.as_ref()?))).collect();
            if let Some((account, _)) = answers.iter().find(|(_, (status, _))| !status.is_ok()) {
                refused[*account] += 1;
            }
        }
        for (at, account) in self.base.accounts.iter().enumerate() {
            let is_of_it =
                |line: &&Line<'_>| line.event == Happened::Refused && line.account == account.name.as_bytes();
            let said = lines.iter().filter(is_of_it).filter(|line| !line.is_http).count();
            if said < refused[at] {
                self.fail(&format!("{} was refused {} submits, and {said} lines say so", account.name, refused[at]));
            }
        }
    }
}
