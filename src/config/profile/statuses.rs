//! What each command_status of a carrier's answer means for the submit.
//!
//! A single status goes before a range, and what is written later before what is earlier or inherited. What follows and what
//! the customer is told are looked up apart: a status that only says `as` keeps what follows it.

use std::time::Duration;

use crate::config::raw::Node;
use crate::config::reader::{Fields, Value};
use crate::config::scalars::{choice, duration, refusal_status, whole};
use crate::smpp::command::CommandStatus;

/// What follows an answer that is no acceptance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// The next carrier.
    Next,
    /// Here once more after a wait, so many times; then the next carrier.
    Again { after: Duration, times: u8 },
    /// Here once more, and the carrier is sent less.
    Slow,
    /// The customer is told.
    Final,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StatusTable {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    first: CommandStatus,
    last: CommandStatus,
    then: Option<Then>,
    told: Option<CommandStatus>,
}

impl Default for StatusTable {
    fn default() -> Self {
        let rule = |status, then| Rule { first: status, last: status, then: Some(then), told: None };
        Self {
            rules: vec![
                rule(CommandStatus::RTHROTTLED, Then::Slow),
                rule(CommandStatus::RMSGQFUL, Then::Slow),
                rule(CommandStatus::RSYSERR, Then::Next),
                rule(CommandStatus::RX_T_APPN, Then::Next),
            ],
        }
    }
}

impl StatusTable {
    const AGAIN: Then = Then::Again { after: Duration::from_secs(5), times: 2 };

    /// What follows this status.
    #[must_use]
    pub fn then(&self, status: CommandStatus) -> Then {
        self.find(status, |rule| rule.then).unwrap_or(Then::Final)
    }

    /// What the customer is told instead of this status.
    #[must_use]
    pub fn told(&self, status: CommandStatus) -> CommandStatus {
        self.find(status, |rule| rule.told).unwrap_or(status)
    }

    /// The longest that a submit would wait to be sent again.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        let wait = |rule: &Rule| if let Some(Then::Again { after, .. }) = rule.then { Some(after) } else { None };
        self.rules.iter().filter_map(wait).max().unwrap_or_default()
    }

    fn find<T>(&self, status: CommandStatus, wanted: impl Fn(&Rule) -> Option<T>) -> Option<T> {
        let matching = |is_single: bool| {
            let fits = move |rule: &&Rule| {
                (rule.first == rule.last) == is_single && (rule.first..=rule.last).contains(&status)
            };
            self.rules.iter().rev().filter(fits).find_map(&wanted)
        };
        matching(true).or_else(|| matching(false))
    }
}

pub(super) fn read(fields: &mut Fields<'_>, base: &StatusTable) -> StatusTable {
    let mut table = base.clone();
    for (key, value) in fields.take_rest() {
        match range(key) {
            Ok((first, last)) => {
                if let Some((then, told)) = read_rule(&value) {
                    table.rules.push(Rule { first, last, then, told });
                }
            }
            Err(message) => value.problem(format!("as a key, {message}")),
        }
    }
    table
}

/// A word, or a map of what differs.
fn read_rule(value: &Value<'_>) -> Option<(Option<Then>, Option<CommandStatus>)> {
    let words = [("next", Then::Next), ("again", StatusTable::AGAIN), ("slow", Then::Slow), ("final", Then::Final)];
    if !matches!(value.node, Node::Map(_)) {
        return Some((value.parse(choice(&words)), None));
    }
    value.fields(|fields| {
        let then = fields.parse("then", choice(&words));
        let (after, times) = (fields.parse("after", duration), fields.parse("times", whole(1..=10)));
        let told = fields.parse("as", refusal_status);
        let then = match then {
            Some(Then::Again { after: usual, times: usually }) => {
                Some(Then::Again { after: after.unwrap_or(usual), times: times.unwrap_or(usually) })
            }
            Some(Then::Next | Then::Slow | Then::Final) | None => {
                if after.is_some() || times.is_some() {
                    value.problem("has `after` or `times`, which need `then: again`");
                }
                then
            }
        };
        (then, told)
    })
}

/// A status, or the first and the last of several (`0x400..0x4FF`).
fn range(text: &str) -> Result<(CommandStatus, CommandStatus), String> {
    let Some((first, last)) = text.split_once("..") else {
        return refusal_status(text).map(|status| (status, status));
    };
    let (first, last) = (refusal_status(first)?, refusal_status(last)?);
    if first < last { Ok((first, last)) } else { Err("a range must end above its beginning".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_slows_down_fails_over_and_passes_the_rest() {
        let table = StatusTable::default();
        for status in [CommandStatus::RTHROTTLED, CommandStatus::RMSGQFUL] {
            assert_eq!((table.then(status), table.told(status)), (Then::Slow, status));
        }
        for status in [CommandStatus::RSYSERR, CommandStatus::RX_T_APPN] {
            assert_eq!((table.then(status), table.told(status)), (Then::Next, status));
        }
        for status in [CommandStatus::RINVDSTADR, CommandStatus(0x4FF)] {
            assert_eq!((table.then(status), table.told(status)), (Then::Final, status));
        }
    }
}
