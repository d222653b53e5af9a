//! Call detail records and carriers' ledgers, line by line. This is another reading of them than `trunkline reconcile` has, and knows
//! of stored messages and of several destinations as well.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trunkline::tools::ledger::{LoadLine, SmscLine, Tag};

use crate::multi::{self, Seen};

/// A carrier, and an id of its.
type CarrierId = (String, String);

/// What the carriers accepted and told.
#[derive(Default)]
pub struct Ledgers {
    accepted: HashMap<CarrierId, Option<Tag>>,
    /// Final receipts that we acknowledged.
    settled: HashMap<CarrierId, String>,
}

impl Ledgers {
    pub fn of_carriers(paths: &[PathBuf]) -> Self {
        let mut ledgers = Self::default();
        for path in paths {
            let name = path.file_stem().unwrap().to_str().unwrap();
            for line in fs::read_to_string(path).unwrap().lines() {
                match SmscLine::parse(line) {
                    Some(SmscLine::Accepted { tag, id, .. }) => {
                        let before = ledgers.accepted.insert((name.to_owned(), id.to_owned()), tag);
                        assert!(before.is_none(), "{name} gave {id} twice");
                    }
                    Some(SmscLine::Answered { id, state, status, .. }) if status.is_ok() && is_final(state) => {
                        ledgers.settled.insert((name.to_owned(), id.to_owned()), state.to_owned());
                    }
                    _ => {}
                }
            }
        }
        ledgers
    }

    /// Whether the customer of several destinations was told of all that the carriers accepted of it.
    pub fn is_all_told(&self, seen: &Seen) {
        let accepted = self.accepted.values().flatten().filter(|tag| tag.run == multi::RUN).count() as u64;
        let reached: u64 = seen.answered.values().map(|(to, missed)| to - missed).sum();
        assert_eq!(accepted, reached, "submits of several destinations");
        assert_eq!(seen.owed(), 0, "receipts of several destinations");
    }
}

fn is_final(state: &str) -> bool {
    ["DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "REJECTD"].contains(&state)
}

/// Takes the lines of these runs out of a carrier's ledger.
pub fn without_run(ledger: &Path, runs: &[u32]) {
    let is_of = |word: &str| Tag::begins(word.as_bytes()).is_some_and(|tag| runs.contains(&tag.run));
    let text = fs::read_to_string(ledger).unwrap();
    let kept: String =
        text.lines().filter(|line| !line.split(' ').any(is_of)).map(|line| format!("{line}\n")).collect();
    fs::write(ledger, kept).unwrap();
}

/// The run of a load's tags.
pub fn run_of(ledger: &Path) -> u32 {
    let text = fs::read_to_string(ledger).unwrap();
    let tag = text.lines().find_map(|line| match LoadLine::parse(line) {
        Some(LoadLine::Submitted { tag, .. }) => Some(tag.run),
        _ => None,
    });
    tag.expect("a submit")
}

/// What the lines say of one id.
#[derive(Debug, Default)]
struct OfId {
    account: String,
    accepted: u32,
    expects: bool,
    finals: u32,
    state: String,
    reason: String,
}

/// All lines of a directory.
#[derive(Default)]
pub struct Records {
    of_ids: HashMap<String, OfId>,
    /// By the id that the customer of several destinations was answered with: how many were accepted, and had an end.
    of_messages: HashMap<String, (u64, u64)>,
    /// Whose `accepted` line has it; and whose `final` line, with its state.
    accepted_by: HashMap<CarrierId, u32>,
    ended_by: HashMap<CarrierId, String>,
    /// By account and event.
    pub sums: BTreeMap<(String, String), u64>,
    wrong: Vec<String>,
}

impl Records {
    pub fn read(directory: &Path) -> Self {
        let mut records = Self::default();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_str().unwrap();
            if name.ends_with(".jsonl") || name.ends_with(".jsonl.open") {
                for line in fs::read_to_string(&path).unwrap().lines() {
                    records.line(&serde_json::from_str(line).unwrap());
                }
            }
        }
        records
    }

    fn line(&mut self, line: &Value) {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let event = text("event");
        *self.sums.entry((text("account"), event.clone())).or_default() += 1;
        let by = (!text("carrier_id").is_empty()).then(|| (text("carrier"), text("carrier_id")));
        let of_id = self.of_ids.entry(text("id")).or_default();
        let message = line["message"].as_str().map(|id| self.of_messages.entry(id.to_owned()).or_default());
        match event.as_str() {
            "accepted" => {
                of_id.account = text("account");
                of_id.accepted += 1;
                of_id.expects = line["receipt"].as_bool().unwrap();
                message.into_iter().for_each(|(accepted, _)| *accepted += 1);
                if let Some(by) = by {
                    *self.accepted_by.entry(by).or_default() += 1;
                }
            }
            "final" => {
                of_id.finals += 1;
                (of_id.state, of_id.reason) = (text("state"), text("reason"));
                message.into_iter().for_each(|(_, ended)| *ended += 1);
                if let Some(by) = by {
                    let state = of_id.state.clone();
                    if self.ended_by.insert(by.clone(), state).is_some() {
                        self.wrong.push(format!("two final lines of {by:?}"));
                    }
                }
            }
            "refused" => {}
            other => self.wrong.push(format!("{other}: {line}")),
        }
    }

    /// Holds the lines against what the carriers saw, and each other.
    pub fn hold_against(&mut self, ledgers: &Ledgers) {
        let mut wrong = std::mem::take(&mut self.wrong);
        for (id, of_id) in self.of_ids.iter().filter(|(id, _)| !id.is_empty()) {
            let OfId { accepted, expects, finals, .. } = of_id;
            let is_right = *accepted <= 1 && *finals <= 1 && finals <= accepted && (!expects || finals == accepted);
            if !is_right {
                wrong.push(format!("{id}: {of_id:?}"));
            }
        }
        for (by, times) in &self.accepted_by {
            if *times != 1 || !ledgers.accepted.contains_key(by) {
                wrong.push(format!("{by:?} has {times} accepted lines; accepted: {:?}", ledgers.accepted.get(by)));
            }
        }
        for (by, state) in &self.ended_by {
            if is_final(state) && ledgers.settled.get(by) != Some(state) {
                wrong.push(format!("{by:?} ended {state}, and its carrier told {:?}", ledgers.settled.get(by)));
            }
        }
        for by in ledgers.settled.keys().filter(|by| self.accepted_by.contains_key(*by)) {
            if !self.ended_by.contains_key(by) {
                wrong.push(format!("{by:?} was told its end and has no final line"));
            }
        }
        self.wrong = wrong;
    }

    /// Holds them against a customer of stored messages: how many it was told are in doubt.
    pub fn hold_against_stored(&mut self, ledger: &Path) -> u64 {
        let (text, mut in_doubt, mut answered) = (fs::read_to_string(ledger).unwrap(), 0, 0);
        let mut told: HashMap<&str, &str> = HashMap::new();
        let lines: Vec<_> = text.lines().filter_map(LoadLine::parse).collect();
        for line in &lines {
            if let LoadLine::Receipt { id, state, .. } = line
                && (is_final(state) || *state == "UNKNOWN")
            {
                told.insert(id, state);
            }
        }
        for line in &lines {
            let LoadLine::Answered { status, id, .. } = line else { continue };
            if !status.is_ok() {
                continue;
            }
            answered += 1;
            let none = OfId::default();
            let of_id = self.of_ids.get(*id).unwrap_or(&none);
            if (of_id.accepted, of_id.finals) != (1, 1) || told.get(id) != Some(&of_id.state.as_str()) {
                self.wrong.push(format!("stored {id} was told {:?}, and its lines say {of_id:?}", told.get(id)));
            }
            in_doubt += u64::from(of_id.reason == "in_doubt");
        }
        assert!(answered > 100, "{answered} stored");
        in_doubt
    }

    /// Holds them against the customer of several destinations.
    pub fn hold_against_multi(&mut self, seen: &Seen) {
        for (id, (to, missed)) in &seen.answered {
            // Those of one destination have no id but their own.
            let of_one = || self.of_ids.get(id).map(|of_id| (u64::from(of_id.accepted), u64::from(of_id.finals)));
            let found = self.of_messages.get(id).copied().or_else(of_one).unwrap_or_default();
            if found.0 != to - missed {
                self.wrong.push(format!("{id} reached {} destinations, and its lines say {found:?}", to - missed));
            }
        }
    }

    pub fn are_right(&self) {
        let first: Vec<_> = self.wrong.iter().take(10).collect();
        assert!(self.wrong.is_empty(), "{} are wrong, first of them {first:#?}", self.wrong.len());
    }

    /// How many of an event there are over all accounts.
    pub fn sum(&self, event: &str) -> u64 {
        self.sums.iter().filter(|((_, of), _)| of == event).map(|(_, count)| count).sum()
    }
}

#[test]
fn a_line_too_many_and_one_too_few_are_found() {
    let line = |event: &str, id: &str, state: &str| {
        let text = format!(
            r#"{{"event":"{event}","account":"acme","id":"{id}","receipt":true,"carrier":"north","carrier_id":"n{id}","state":"{state}"}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let of = |id: &str| ("north".to_owned(), format!("n{id}"));
    let mut ledgers = Ledgers::default();
    for id in ["1", "2"] {
        ledgers.accepted.insert(of(id), None);
        ledgers.settled.insert(of(id), "DELIVRD".to_owned());
    }
    let whole = [("accepted", "1"), ("final", "1"), ("accepted", "2"), ("final", "2")];
    let wrong = |lines: &[(&str, &str)], state: &str| {
        let mut records = Records::default();
        lines.iter().for_each(|(event, id)| records.line(&line(event, id, state)));
        records.hold_against(&ledgers);
        !records.wrong.is_empty()
    };
    assert!(!wrong(&whole, "DELIVRD"));
    assert!(wrong(&whole, "UNDELIV"), "another state than the carrier told");
    for at in 0..whole.len() {
        let without: Vec<_> =
            whole.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| *line).collect();
        // Of one that was accepted and has no line at all nothing is known: it was never answered.
        assert!(wrong(&without, "DELIVRD"), "without {:?}", whole[at]);
        assert!(wrong(&[&whole[..], &whole[at..=at]].concat(), "DELIVRD"), "with two of {:?}", whole[at]);
    }
    assert!(wrong(&[("accepted", "3"), ("final", "3")], "DELIVRD"), "what no carrier accepted");
}
