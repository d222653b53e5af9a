//! The invariants of the contract, each over all messages.

use super::Bounds;
use super::books::Books;
use super::cdr::CdrBook;
use super::message::{Message, Outcome, State};
use super::verdict::{Offenders, Row, Verdict};
use crate::tools::ledger::Tag;

impl Books {
    pub(super) fn verdict(self, bounds: &Bounds, cdr: Option<&CdrBook>) -> Verdict {
        let mut verdict = Verdict {
            receipts: self.receipts,
            receipts_offered_again: self.sent_again,
            rows: Vec::new(),
            ..self.totals()
        };
        let (submitted, acknowledged) = (verdict.submitted, verdict.acknowledged);
        verdict.rows = vec![
            Row::new("I1", "acknowledged means one carrier accepted it once", acknowledged, self.not_accepted_once()),
            Row::new("I1", "an id names one submit", acknowledged, self.repeated_ids.clone()),
            Row::new("A2", "refused means no carrier accepted it", verdict.refused, self.refused_and_accepted(bounds)),
            Row::new("I2", "a receipt acknowledged to its carrier reached its customer", acknowledged, self.lost()),
            Row::new("I2", "each receipt owed for an acknowledged submit is settled", acknowledged, self.unsettled()),
            Row::new(
                "I3",
                "no receipt at another account, with another id or state",
                self.receipts,
                self.misrouted.clone(),
            ),
            Row::new("I4", "no submit accepted twice", submitted, self.accepted_twice()),
            self.repeated(bounds),
        ];
        verdict.rows.extend(self.never_answered(bounds));
        verdict.rows.extend([
            Row::new("I7", "each submit is acknowledged, refused or in doubt", submitted, self.unaccounted()),
            Row::new("I9", "no receipt before its answer on a connection", self.receipts, self.before_answer.clone()),
        ]);
        verdict.rows.extend(cdr.into_iter().flat_map(|cdr| cdr.rows(&self, acknowledged, verdict.refused)));
        verdict
    }

    fn totals(&self) -> Verdict {
        let mut totals = Verdict::default();
        for message in self.messages.values() {
            totals.submitted += u64::from(message.submits > 0);
            match message.outcome {
                Outcome::Acknowledged { .. } => totals.acknowledged += 1,
                Outcome::Refused(_) => totals.refused += 1,
                Outcome::InDoubt => totals.in_doubt += 1,
                Outcome::Untold => {}
            }
        }
        totals
    }

    /// I1.
    fn not_accepted_once(&self) -> Offenders {
        self.each(|message| match message.outcome {
            Outcome::Acknowledged { .. } if message.accepts != 1 => Some(format!("accepted {} times", message.accepts)),
            Outcome::Acknowledged { .. } | Outcome::Refused(_) | Outcome::InDoubt | Outcome::Untold => None,
        })
    }

    /// A2: a refusal is definite, but for the status that says the outcome is unknown.
    fn refused_and_accepted(&self, bounds: &Bounds) -> Offenders {
        self.each(|message| match message.outcome {
            Outcome::Refused(status) if message.accepts > 0 && status != bounds.in_doubt_status => {
                Some(format!("refused with {status}"))
            }
            Outcome::Acknowledged { .. } | Outcome::Refused(_) | Outcome::InDoubt | Outcome::Untold => None,
        })
    }

    /// I2, for submits whose customer knows the id: a crash may forget the others before they were answered.
    fn lost(&self) -> Offenders {
        self.each(|message| {
            let is_lost = |state: &State| message.settled.of(*state) > 0 && !message.has_reached(*state);
            let state = State::all().find(is_lost).filter(|_| is_acknowledged(message))?;
            Some(format!("{} was acknowledged to its carrier and never came", state.name()))
        })
    }

    /// I2, the other half: what is not settled at the end of a run was turned away for good, or the run was too short.
    fn unsettled(&self) -> Offenders {
        self.each(|message| {
            let state = message.owed.filter(|state| is_acknowledged(message) && message.settled.of(*state) == 0)?;
            let told = if message.offered.of(state) > 0 { "sent and never acknowledged" } else { "not taken" };
            Some(format!("{} was {told}", state.name()))
        })
    }

    /// I4.
    fn accepted_twice(&self) -> Offenders {
        self.each(|message| (message.accepts > 1).then(|| format!("accepted {} times", message.accepts)))
    }

    /// I5: what a crash may repeat, beyond what the carriers repeated themselves.
    fn repeated(&self, bounds: &Bounds) -> Row {
        let mut found = Offenders::default();
        for (tag, message) in self.messages.iter().filter(|(_, message)| message.repeats() > 0) {
            found.add(format!("{tag} came {} times too often", message.repeats()));
            found.count += message.repeats() - 1;
        }
        let promise = "receipts repeated by crashes alone, within their bound";
        let per_crash = bounds.delivery_window * bounds.sessions + bounds.open_commit;
        Row { allowed: bounds.crashes * per_crash, ..Row::new("I5", promise, self.receipts, found) }
    }

    /// I6, for each account.
    fn never_answered(&self, bounds: &Bounds) -> Vec<Row> {
        let mut found: Vec<_> = self.accounts.iter().map(|name| (name, 0, Offenders::default())).collect();
        for (tag, message) in &self.messages {
            let Some((_, submitted, unanswered)) =
                message.account.and_then(|account| found.get_mut(usize::from(account)))
            else {
                continue;
            };
            *submitted += 1;
            if message.accepts > 0 && matches!(message.outcome, Outcome::InDoubt | Outcome::Untold) {
                unanswered.add(tag.to_string());
            }
        }
        let row = |(name, submitted, offenders)| {
            let promise = format!("accepted and never answered, within the window of {name}");
            Row { allowed: bounds.crashes * bounds.window, ..Row::new("I6", &promise, submitted, offenders) }
        };
        found.into_iter().filter(|(_, submitted, _)| *submitted > 0).map(row).collect()
    }

    /// I7.
    fn unaccounted(&self) -> Offenders {
        let mut found = self.unaccounted.clone();
        let others = self.each(|message| match (message.submits, message.outcomes) {
            (0, _) if message.accepts > 0 => Some("accepted by a carrier, and nobody submitted it".to_owned()),
            (1, 0) => Some("submitted, and nothing is known of it".to_owned()),
            (2.., _) => Some("submitted twice".to_owned()),
            _ => None,
        });
        found.count += others.count;
        found.first.extend(others.first);
        found
    }

    pub(super) fn each(&self, offence: impl Fn(&Message) -> Option<String>) -> Offenders {
        let mut found = Offenders::default();
        for (tag, message) in &self.messages {
            if let Some(what) = offence(message) {
                found.add(named(*tag, &what));
            }
        }
        found
    }
}

fn is_acknowledged(message: &Message) -> bool {
    matches!(message.outcome, Outcome::Acknowledged { .. })
}

fn named(tag: Tag, what: &str) -> String {
    format!("{tag} {what}")
}
