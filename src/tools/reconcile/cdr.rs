//! The call detail records against the ledgers (GUARANTEES I8): each acknowledged submit has one `accepted` line, each that came to
//! its end one `final` line, each refusal a line; and the files have no gaps and are what their sums say. JSON lines are read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use ring::digest;
use serde_json::Value;

use super::books::Books;
use super::message::{Message, Outcome, State};
use super::verdict::{Offenders, Row};

type Map<K, V> = HashMap<K, V, ahash::RandomState>;

#[derive(Debug, Default)]
pub(super) struct CdrBook {
    lines: u64,
    refused: u64,
    /// By the id that the customer knows: `accepted` lines, `final` lines, and the last state of those.
    by_id: Map<Box<str>, OfId>,
    closed: u64,
    gaps: Offenders,
    sums: Offenders,
}

#[derive(Debug, Default)]
struct OfId {
    accepted: u32,
    finals: u32,
    state: Option<State>,
}

impl CdrBook {
    pub(super) fn read(directory: &Path) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}", directory.display());
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        let mut book = Self::default();
        let mut last = BTreeMap::new();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_closed = name.ends_with(".jsonl");
            if is_closed || name.ends_with(".jsonl.open") {
                let mut octets = read(&path)?;
                if !is_closed {
                    // A process that was killed may have left the beginning of a line, which the next one cuts off.
                    let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
                    octets.truncate(whole);
                }
                book.file(&name, &octets, &mut last)?;
                if is_closed {
                    book.closed += 1;
                    if !is_as_summed(&path, &octets) {
                        book.sums.add(name);
                    }
                }
            }
        }
        Ok(book)
    }

    pub(super) fn file(
        &mut self,
        name: &str,
        octets: &[u8],
        last: &mut BTreeMap<(u64, u64), u64>,
    ) -> Result<(), String> {
        let text = std::str::from_utf8(octets).map_err(|error| format!("{name}: {error}"))?;
        for (at, line) in text.lines().enumerate() {
            let said = || format!("{name}:{}", at + 1);
            let line: Value = serde_json::from_str(line).map_err(|error| format!("{}: {error}", said()))?;
            let number = |key: &str| line[key].as_u64().ok_or_else(|| format!("{}: no {key}", said()));
            let (writer, sequence) = ((number("node")?, number("shard")?), number("sequence")?);
            let before = last.insert(writer, sequence).unwrap_or(0);
            if sequence != before + 1 {
                self.gaps.add(format!("{}: {sequence} after {before}", said()));
            }
            self.line(&line);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    fn line(&mut self, line: &Value) {
        self.lines += 1;
        let text = |key: &str| line[key].as_str();
        if text("event") == Some("refused") {
            self.refused += 1;
        }
        let Some(id) = text("message").or(text("id")) else { return };
        let of_id = self.by_id.entry(id.into()).or_default();
        match text("event") {
            Some("accepted") => of_id.accepted += 1,
            Some("final") => {
                of_id.finals += 1;
                of_id.state = text("state").map(State::of);
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn rows(&self, books: &Books, acknowledged: u64, refused: u64) -> Vec<Row> {
        let none = OfId::default();
        let of = |message: &Message| match &message.outcome {
            Outcome::Acknowledged { id } => Some(self.by_id.get(id).unwrap_or(&none)),
            Outcome::Refused(_) | Outcome::InDoubt | Outcome::Untold => None,
        };
        let accepted = books.each(|message| {
            let lines = of(message)?.accepted;
            (lines != 1).then(|| format!("has {lines} accepted lines"))
        });
        let finals = books.each(|message| {
            let settled = State::all().find(|state| state.is_final() && message.settled.of(*state) > 0);
            let OfId { finals, state, .. } = of(message)?;
            // What its carrier has not been told yet may be told by the files.
            let is_right = match settled {
                Some(_) => *finals == 1 && *state == settled,
                None => *finals <= 1,
            };
            (!is_right).then(|| format!("has {finals} final lines"))
        });
        let unwritten = Offenders { count: refused.saturating_sub(self.refused), first: Vec::new() };
        vec![
            Row::new("I8", "one accepted line each", acknowledged, accepted),
            Row::new("I8", "one final line for each that came to its end", acknowledged, finals),
            Row::new("I8", "a line for each refusal", refused, unwritten),
            Row::new("I8", "lines without gaps", self.lines, self.gaps.clone()),
            Row::new("I8", "closed files are what their sums say", self.closed, self.sums.clone()),
        ]
    }
}

fn is_as_summed(path: &Path, octets: &[u8]) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(".sum");
    let Ok(sum) = read(Path::new(&name)) else { return false };
    let Ok(sum) = serde_json::from_slice::<Value>(&sum) else { return false };
    let digest = digest::digest(&digest::SHA256, octets);
    let sha256: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    let lines = octets.iter().filter(|octet| **octet == b'\n').count() as u64;
    sum["sha256"].as_str() == Some(&sha256) && sum["lines"].as_u64() == Some(lines)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut octets));
    read.map(|_| octets).map_err(|error| format!("{}: {error}", path.display()))
}
