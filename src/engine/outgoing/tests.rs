//! What becomes of a submit under a profile's rules, and that addresses are kept as long as they are needed.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Surroundings, parse};
use crate::smpp::view::Address;

fn rewriting(submits: &str) -> Rewriting {
    let text = format!(
        "profiles: {{ odd: {{ submits: {{ {submits} }} }} }}\n\
         carriers: {{ c: {{ connect: \"h:1\", system_id: us, password: p, profile: odd }} }}\n"
    );
    let file = |_: &Path| Err("none".to_owned());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let config = parse(&text, &surroundings).unwrap_or_else(|problems| panic!("{submits}: {problems:?}")).config;
    (**config.carriers[0].profile.submits.rewriting.as_ref().unwrap()).clone()
}

fn body(source: (u8, u8, &str), destination: (u8, u8, &str), optional: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    for (ton, npi, digits) in [source, destination] {
        body.extend_from_slice(&[ton, npi]);
        body.extend_from_slice(digits.as_bytes());
        body.push(0);
    }
    body.extend_from_slice(b"\0\0\0\0\0\x01\0\0\0\x02hi");
    body.extend_from_slice(optional);
    body
}

/// The rewritten submit, or why there is none.
fn sent(rewriting: &Rewriting, body: &[u8]) -> Result<Vec<u8>, CommandStatus> {
    let view = SmView::submit(body)?;
    let edits = edits(rewriting, &view, view.source)?;
    let mut out = Vec::new();
    edit::write(body, &view, &edits, &mut out);
    Ok(out)
}

fn text(address: Address<'_>) -> (u8, u8, String) {
    (address.ton, address.npi, String::from_utf8_lossy(address.digits).into_owned())
}

/// What a destination marked 7, 7 becomes.
#[track_caller]
fn destination(rules: &str, came: &str) -> (u8, u8, String) {
    let rewriting = rewriting(&format!("destination: {{ {rules} }}"));
    let out = sent(&rewriting, &body((5, 0, "ACME"), (7, 7, came), b"")).unwrap();
    let view = SmView::submit(&out).unwrap();
    assert_eq!(text(view.source), (5, 0, "ACME".to_owned()));
    text(view.destination)
}

/// What a sender marked 7, 7 becomes.
fn source(rules: &str, came: &str) -> Result<(u8, u8, String), CommandStatus> {
    let rewriting = rewriting(&format!("source: {{ {rules} }}"));
    let out = sent(&rewriting, &body((7, 7, came), (1, 1, "49170"), b""))?;
    let view = SmView::submit(&out).unwrap();
    assert_eq!(text(view.destination), (1, 1, "49170".to_owned()));
    Ok(text(view.source))
}

#[test]
fn international_numbers_begin_as_the_carrier_wants_and_others_stay() {
    for (came, plus, zeros, digits) in [
        ("491701234567", "+491701234567", "00491701234567", "491701234567"),
        ("+491701234567", "+491701234567", "00491701234567", "491701234567"),
        ("00491701234567", "+491701234567", "00491701234567", "491701234567"),
        ("01701234567", "01701234567", "01701234567", "01701234567"),
        ("12345", "12345", "12345", "12345"),
        ("+12345", "+12345", "0012345", "12345"),
        ("Handset", "Handset", "Handset", "Handset"),
        ("", "", "", ""),
    ] {
        for (format, expected) in [("plus", plus), ("zeros", zeros), ("digits", digits)] {
            let became = destination(&format!("format: {format}"), came);
            assert_eq!(became, (7, 7, expected.to_owned()), "{came} as {format}");
        }
    }
}

#[test]
fn ton_and_npi_follow_the_kind_of_address() {
    let rules =
        "number: { ton: 1, npi: 1 }, national: { ton: 2, npi: 8 }, alphanumeric: { ton: 5, npi: 0 }, short: { ton: 3 },
                 short_digits: 5";
    for (came, ton, npi) in [
        ("491701234567", 1, 1),
        ("+12345", 1, 1),
        ("01701234567", 2, 8),
        ("0170", 3, 7),
        ("12345", 3, 7),
        ("123456", 1, 1),
        ("Ab", 5, 0),
    ] {
        assert_eq!(destination(rules, came), (ton, npi, came.to_owned()));
    }
    assert_eq!(destination(rules, ""), (7, 7, String::new()));
}

#[test]
fn the_first_rule_that_matches_rewrites() {
    let rules =
        "rewrite: [{ from: \"112\", to: \"110\" }, { from: \"0*\", to: \"49*\" }, { from: \"49*\", to: \"+49*\" },
                            { from: \"info*\", to: \"12345\" }, { from: \"9*\", to: \"*\" }]";
    for (came, became) in [
        ("112", "110"),
        ("1120", "1120"),
        ("0170", "49170"),
        // Two zeros are no part of the number.
        ("0049170", "+49170"),
        ("+49170", "+49170"),
        ("INFOLINE", "12345"),
        ("98", "8"),
        ("447700900001", "447700900001"),
    ] {
        assert_eq!(destination(rules, came).2, became, "{came}");
    }
    // What a rule says is formatted then, and marked by what it has become.
    let rules = "rewrite: { from: \"0*\", to: \"49*\" }, format: plus, number: { ton: 1 }";
    assert_eq!(destination(rules, "01701234567"), (1, 7, "+491701234567".to_owned()));
}

#[test]
fn senders_are_forced_defaulted_cut_or_refused() {
    let name = |ton, npi, digits: &str| Ok((ton, npi, digits.to_owned()));
    assert_eq!(source("force: ACME", "4477"), name(5, 0, "ACME"));
    assert_eq!(source("force: \"4477\", number: { npi: 9 }", "ACME"), name(3, 0, "4477"));
    assert_eq!(source("force: \"447700900001\", number: { npi: 9 }", "ACME"), name(1, 9, "447700900001"));
    assert_eq!(source("default: ACME", "4477"), name(7, 7, "4477"));
    assert_eq!(source("default: ACME", ""), name(5, 0, "ACME"));
    assert_eq!(source("long_sender: cut", "Acme Company"), name(7, 7, "Acme Compan"));
    assert_eq!(source("long_sender: cut", "Acme Compan"), name(7, 7, "Acme Compan"));
    assert_eq!(source("long_sender: cut", "447700900001"), name(7, 7, "447700900001"));
    assert_eq!(source("long_sender: refuse", "Acme Company"), Err(CommandStatus::RINVSRCADR));
    assert_eq!(source("long_sender: refuse", "447700900001"), name(7, 7, "447700900001"));
    // A short number is no name, however few digits a short code may have.
    assert_eq!(source("long_sender: refuse, short_digits: 0", "12345"), name(7, 7, "12345"));
}

#[test]
fn what_does_not_fit_its_field_is_refused() {
    let twenty = "12345678901234567890";
    assert_eq!(source("format: plus", twenty), Err(CommandStatus::RINVSRCADR));
    let rewriting = rewriting("destination: { rewrite: { from: \"1*\", to: \"49*\" } }");
    assert_eq!(sent(&rewriting, &body((5, 0, "A"), (1, 1, twenty), b"")), Err(CommandStatus::RINVDSTADR));
}

#[test]
fn tlvs_that_are_missing_refuse_and_others_are_put_in_place() {
    let rules = rewriting(
        "tlvs: { require: [0x1400, 0x1401], drop: 0x1500..0x15FF, add: { 0x1401: own }, set: { 0x1402: { hex: \"07\" } } }",
    );
    let with = |optional: &[u8]| sent(&rules, &body((5, 0, "A"), (1, 1, "49170"), optional));
    assert_eq!(with(b""), Err(CommandStatus::RMISSINGOPTPARAM));
    assert_eq!(with(b"\x14\x01\0\x01t"), Err(CommandStatus::RMISSINGOPTPARAM));
    let expect = |came: &[u8], expected: &[u8]| {
        assert_eq!(with(came).unwrap(), body((5, 0, "A"), (1, 1, "49170"), expected), "{came:x?}");
    };
    expect(b"\x14\0\0\x01e", b"\x14\0\0\x01e\x14\x02\0\x01\x07\x14\x01\0\x03own");
    expect(
        b"\x14\x02\0\x02no\x14\x01\0\x01t\x15\x42\0\0\x14\0\0\x01e\x12\x34\0\0",
        b"\x14\x01\0\x01t\x14\0\0\x01e\x12\x34\0\0\x14\x02\0\x01\x07",
    );
}

#[test]
fn other_fields_are_as_the_profile_says_and_the_text_is_not_touched() {
    let rules = rewriting("data_coding: { 0: 1 }, service_type: CMT, validity: 1h");
    let came = body((5, 0, "A"), (1, 1, "49170"), b"\x12\x34\0\0");
    let out = sent(&rules, &came).unwrap();
    let view = SmView::submit(&out).unwrap();
    assert_eq!((view.service_type, view.validity, view.data_coding), (&b"CMT"[..], &b"000000010000000R"[..], 1));
    assert_eq!((view.short_message, view.optional), (&b"hi"[..], &b"\x12\x34\0\0"[..]));
    let again = sent(&rewriting("data_coding: { 0: 8 }, validity: 2h"), &out).unwrap();
    assert_eq!(again, out, "what was said is not said again");
}

#[test]
fn a_text_is_written_in_the_carriers_alphabet_and_marked_as_it_says() {
    let rules = rewriting("alphabet: latin1, data_coding: { 0: 3 }, tlvs: { drop: 0x1400, add: { 0x1402: own } }");
    let mut came = body((5, 0, "A"), (1, 1, "49170"), b"\x14\0\0\x01\0");
    let at = came.len() - 7;
    came[at..at + 2].copy_from_slice(b"\0\x05");
    let sent = sent(&rules, &came).unwrap();
    let view = SmView::submit(&sent).unwrap();
    assert_eq!((view.data_coding, view.short_message), (3, &b"@\xE9"[..]));
    assert_eq!(view.optional, b"\x14\x02\0\x03own");
}

#[test]
fn nothing_is_kept_of_what_was_not_readdressed_or_is_forgotten() {
    let mut readdressed = Readdressed::default();
    readdressed.insert(MessageId::new(1), b"");
    assert!(readdressed.tables.is_empty());
    readdressed.remove(MessageId::new(1));
    for id in 0..1_000 {
        readdressed.insert(MessageId::new(id), format!("{id}").as_bytes());
    }
    assert_eq!((readdressed.len(), readdressed.addresses(MessageId::new(999))), (1_000, &b"999"[..]));
    for id in 0..1_000 {
        readdressed.remove(MessageId::new(id));
        assert_eq!(readdressed.addresses(MessageId::new(id)), b"");
    }
    assert!(readdressed.is_empty());
}
