//! The corpus: what each of its receipts is read as, and what a rewrite makes of it.
//!
//! `==` begins an entry. `receipts:` is the profile's section, `esm_class:` (0x04) and `data_coding:` (0) are as on the wire, and
//! the text is in `text:`, in `payload:`, or in UCS-2 in `wide:` or `wide_payload:`; `tlv:` has its tag and its octets in hex or
//! as a text, `tail:` octets behind all. `{id}` is what a rewrite replaces, `(date|moved)` what becomes of a date that is told in
//! UTC. Expected are the ids in their order, the state (`none`: not read) and whether it is final, the dates, the error as
//! written and as a number, the network's error; or, with `mo:`, that it is no receipt.

use std::path::{Path, PathBuf};

use trunkline::config::{self, ReceiptHabits, Surroundings};
use trunkline::smpp::receipt;
use trunkline::smpp::view::{SmView, tag};

const OUR_ID: &str = "0123456789abcdef";

#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) habits: ReceiptHabits,
    esm_class: u8,
    data_coding: u8,
    short: Vec<u8>,
    is_wide: bool,
    /// Tag, value, and whether the value is the text in UCS-2.
    tlvs: Vec<(u16, Vec<u8>, bool)>,
    tail: Vec<u8>,
    is_mo: bool,
    ids: Vec<&'static str>,
    state: &'static str,
    submitted: Option<&'static str>,
    done: Option<&'static str>,
    error: Option<&'static str>,
    network_error: Option<&'static str>,
}

/// Which of the marked spellings a body has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spelling {
    AsSent,
    Rewritten,
}

#[test]
fn every_receipt_is_read_as_intended() {
    for entry in entries() {
        let body = entry.worked_body();
        let view = SmView::deliver(&body).unwrap();
        let Some(read) = receipt::read_as(&view, &entry.habits) else {
            assert!(entry.is_mo, "{}: is a receipt", entry.name);
            continue;
        };
        assert!(!entry.is_mo, "{}: is no receipt", entry.name);
        let ids: Vec<_> = read.ids.iter().flatten().map(|id| String::from_utf8_lossy(id)).collect();
        assert_eq!(ids, entry.ids, "{}", entry.name);
        let state = if read.state_known { read.state.name() } else { "none" };
        let is_final = if entry.habits.is_final(read.state) { " final" } else { "" };
        assert_eq!(format!("{state}{is_final}"), entry.state, "{}", entry.name);
        let details = receipt::details(&view);
        let text = |value: Option<&[u8]>| value.map(|value| String::from_utf8(value.to_vec()).unwrap());
        assert_eq!(text(details.submit_date).as_deref(), entry.submitted, "{}", entry.name);
        assert_eq!(text(details.done_date).as_deref(), entry.done, "{}", entry.name);
        let error = text(details.error).map(|error| match details.error_number() {
            Some(number) => format!("{error} {number}"),
            None => error,
        });
        assert_eq!(error.as_deref(), entry.error, "{}", entry.name);
        let network = details.network_error.map(|(network, error)| format!("{network} {error}"));
        assert_eq!(network.as_deref(), entry.network_error, "{}", entry.name);
    }
}

#[test]
fn a_rewrite_changes_the_ids_and_nothing_else() {
    for entry in entries().iter().filter(|entry| !entry.is_mo) {
        let body = entry.worked_body();
        let view = SmView::deliver(&body).unwrap();
        let read = receipt::read_as(&view, &entry.habits).unwrap();
        let moved = receipt::with_dates_in_utc(&body, &view, &entry.habits);
        let mut out = Vec::new();
        receipt::rewrite(moved.as_deref().unwrap_or(&body), &view, &read, OUR_ID.as_bytes(), &mut out);
        assert_eq!(shown(&out), shown(&entry.body(Spelling::Rewritten, false)), "{}", entry.name);
    }
}

#[test]
fn the_corpus_is_whole() {
    let entries = entries();
    assert!(entries.len() >= 100, "{}", entries.len());
    for (at, entry) in entries.iter().enumerate() {
        assert!(entries[..at].iter().all(|other| other.name != entry.name), "{} is there twice", entry.name);
        let says_nothing = entry.ids.is_empty() && entry.state.is_empty();
        assert_eq!(entry.is_mo, says_nothing, "{}", entry.name);
    }
}

impl Entry {
    /// The deliver_sm's body as the carrier sends it.
    pub(crate) fn sent_body(&self) -> Vec<u8> {
        self.body(Spelling::AsSent, true)
    }

    /// As the gateway works with it: narrow.
    fn worked_body(&self) -> Vec<u8> {
        let sent = self.sent_body();
        let narrowed = receipt::narrowed(&sent, &SmView::deliver(&sent).unwrap(), &self.habits);
        let is_wide = self.is_wide || self.tlvs.iter().any(|(_, _, is_wide)| *is_wide);
        assert_eq!(narrowed.is_some(), is_wide && !self.is_mo, "{}", self.name);
        narrowed.unwrap_or(sent)
    }

    fn body(&self, spelling: Spelling, is_wide: bool) -> Vec<u8> {
        let written = |value: &[u8], in_wide: bool| {
            let octets = spelled(value, spelling);
            if in_wide && is_wide { octets.iter().flat_map(|octet| [0, *octet]).collect() } else { octets }
        };
        let has_wide = self.is_wide || self.tlvs.iter().any(|(_, _, is_wide)| *is_wide);
        let data_coding = if has_wide && !is_wide { 0 } else { self.data_coding };
        let short = written(&self.short, self.is_wide);
        let mut body = b"\0\x01\x01447700900001\0\x05\0ACME\0".to_vec();
        body.extend_from_slice(&[self.esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, short.len() as u8]);
        body.extend_from_slice(&short);
        for (tag, value, in_wide) in &self.tlvs {
            let value = written(value, *in_wide);
            body.extend_from_slice(&tag.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(&value);
        }
        body.extend_from_slice(&self.tail);
        body
    }

    fn take(&mut self, key: &str, value: &'static str) {
        match key {
            "receipts" => self.habits = habits(value),
            "esm_class" => self.esm_class = u8::from_str_radix(value.strip_prefix("0x").unwrap(), 16).unwrap(),
            "data_coding" => self.data_coding = value.parse().unwrap(),
            "text" => self.short = unescaped(value),
            "wide" => (self.short, self.is_wide) = (unescaped(value), true),
            "payload" | "wide_payload" => {
                self.tlvs.push((tag::MESSAGE_PAYLOAD, unescaped(value), key == "wide_payload"));
            }
            "tlv" => {
                let (number, value) = value.split_at(4);
                let quoted = value.trim_start().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                let octets = quoted.map_or_else(|| hex(value), unescaped);
                self.tlvs.push((u16::from_str_radix(number, 16).unwrap(), octets, false));
            }
            "tail" => self.tail = hex(value),
            "mo" => self.is_mo = true,
            "id" => self.ids.push(value),
            "state" => self.state = value,
            "submitted" => self.submitted = Some(value),
            "done" => self.done = Some(value),
            "error" => self.error = Some(value),
            "network_error" => self.network_error = Some(value),
            _ => panic!("{}: {key} is no key", self.name),
        }
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in include_str!("corpus.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            entries.push(Entry { name, esm_class: 0x04, ..Entry::default() });
            continue;
        }
        let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
        entries.last_mut().expect("an entry begins with ==").take(key, value.strip_prefix(' ').unwrap_or(value));
    }
    entries
}

/// What a profile with this section of receipts means.
pub(crate) fn habits(section: &str) -> ReceiptHabits {
    let text = format!(
        "profiles: {{ odd: {{ receipts: {section} }} }}\n\
         carriers: {{ c: {{ connect: 'c:1', system_id: us, password: p, profile: odd }} }}\n"
    );
    let file = |_: &Path| Err("no files".to_owned());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let config = config::parse(&text, &surroundings).unwrap_or_else(|problems| panic!("{problems:?}")).config;
    config.carriers[0].profile.receipts.clone()
}

/// What is between braces or brackets in the one spelling or the other, without them.
fn spelled(value: &[u8], spelling: Spelling) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.iter().position(|octet| matches!(octet, b'{' | b'(')) {
        out.extend_from_slice(&rest[..at]);
        let is_id = rest[at] == b'{';
        let end = at + rest[at..].iter().position(|octet| matches!(octet, b'}' | b')')).unwrap();
        let marked = &rest[at + 1..end];
        if is_id {
            out.extend_from_slice(if spelling == Spelling::AsSent { marked } else { OUR_ID.as_bytes() });
        } else {
            let mut dates = marked.split(|octet| *octet == b'|');
            let (sent, moved) = (dates.next().unwrap(), dates.next().unwrap());
            out.extend_from_slice(if spelling == Spelling::AsSent { sent } else { moved });
        }
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
    out
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        out.push(match octets.next() {
            Some(b'0') => 0,
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'x') => {
                let digits = [octets.next().unwrap(), octets.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("{text}: \\{other:?}"),
        });
    }
    out
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b' ').collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// So that a failure can be read.
fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}
