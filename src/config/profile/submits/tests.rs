//! What a profile may say of submits, and what is refused.

use std::path::{Path, PathBuf};

use super::*;
use crate::config::{Pattern, Problem, Surroundings, parse};
use crate::smpp::edit::OwnTlv;

fn read_profiles(profiles: &str) -> Result<SubmitHabits, Vec<Problem>> {
    let text = format!(
        "profiles: {{ {profiles} }}\n\
         carriers: {{ c: {{ connect: \"h:1\", system_id: us, password: p, profile: odd }} }}\n"
    );
    let file = |_: &Path| Err("none".to_owned());
    let surroundings = Surroundings { base: PathBuf::from("/"), env: &|_| None, file: &file };
    parse(&text, &surroundings).map(|parsed| parsed.config.carriers[0].profile.submits.clone())
}

#[track_caller]
fn rewriting(submits: &str) -> Rewriting {
    let habits = read_profiles(&format!("odd: {{ submits: {{ {submits} }} }}"));
    *habits.unwrap_or_else(|problems| panic!("{submits}: {problems:?}")).rewriting.expect("something is rewritten")
}

#[test]
fn a_profile_that_changes_nothing_is_no_rewriting() {
    for submits in [
        "",
        "source: {}",
        "source: { format: as_is }, tlvs: {}",
        "data_coding: { 3: 3 }, destination:",
        "alphabet: gsm",
    ] {
        let habits = read_profiles(&format!("odd: {{ submits: {{ {submits} }} }}")).unwrap();
        assert_eq!(habits, SubmitHabits::default(), "{submits}");
    }
}

#[test]
fn every_key_of_submits_is_read() {
    let read = rewriting(
        "source: { force: ACME, default: \"4477\", long_sender: cut, format: zeros, short_digits: 5,
                   number: { ton: 1, npi: 1 }, national: { ton: 2 }, alphanumeric: { ton: 5 }, short: { npi: 9 } },
         destination: { rewrite: [{ from: \"0*\", to: \"49*\" }, { from: \"112\", to: \"+4930112\" }, { from: \"9*\", to: \"*\" }] },
         data_coding: { 0: 1, 0x08: 0x18 }, alphabet: packed, service_type: CMT, validity: 26h,
         tlvs: { require: [0x1400, user_message_reference], drop: [516, 0x1500..0x15FF, dest_subaddress],
                 set: { 0x1402: \"text\" }, add: { 0x0123: { hex: \"00fF\" }, callback_num: \"\" } }",
    );
    let kind = |ton, npi| AddressKind { ton, npi };
    let source = &read.source;
    assert_eq!((source.force.as_deref(), source.default.as_deref()), (Some("ACME"), Some("4477")));
    assert_eq!((source.long_sender, source.address.format), (LongSender::Cut, NumberFormat::Zeros));
    let address = &source.address;
    assert_eq!((address.number, address.alphanumeric), (kind(Some(1), Some(1)), kind(Some(5), None)));
    assert_eq!(address.national, kind(Some(2), None));
    assert_eq!((address.short, address.short_digits), (kind(None, Some(9)), 5));
    let rule = |from: &str, to: &str, keeps_rest| PrefixRule {
        from: Pattern { text: from.trim_end_matches('*').to_owned(), is_prefix: from.ends_with('*') },
        to: to.to_owned(),
        keeps_rest,
    };
    let rules = [rule("0*", "49", true), rule("112", "+4930112", false), rule("9*", "", true)];
    assert_eq!(read.destination, AddressRules { rewrite: rules.to_vec(), ..AddressRules::default() });
    assert_eq!((&read.data_coding[..], read.alphabet), (&[(0, 1), (8, 0x18)][..], DefaultAlphabet::Packed));
    assert_eq!((read.service_type.as_deref(), read.validity.as_deref()), (Some("CMT"), Some("000001020000000R")));
    let own = |tag, value: &[u8]| OwnTlv { tag, value: value.to_vec() };
    let tlvs = TlvEdits {
        require: vec![0x1400, 0x0204],
        drop: vec![0x0204..=0x0204, 0x1500..=0x15FF, 0x0203..=0x0203],
        set: vec![own(0x1402, b"text")],
        add: vec![own(0x0123, &[0, 0xFF]), own(0x0381, b"")],
    };
    assert_eq!(read.tlvs, tlvs);
}

#[test]
fn a_profile_goes_on_from_the_one_it_is_like() {
    let base = "base: { submits: { source: { force: A, number: { ton: 1 } }, service_type: CMT, alphabet: ascii, tlvs: { drop: 5 } } }";
    let read = |more: &str| {
        let habits = read_profiles(&format!("{base}, odd: {{ like: base, submits: {{ {more} }} }}")).unwrap();
        *habits.rewriting.unwrap()
    };
    let same = read("");
    assert_eq!((same.source.force.as_deref(), same.service_type.as_deref()), (Some("A"), Some("CMT")));
    assert_eq!((same.alphabet, read("alphabet: as_is").alphabet), (DefaultAlphabet::Ascii, DefaultAlphabet::Gsm));
    let other = read("source: { number: { npi: 8 } }, service_type: \"\", tlvs: { drop: [] }");
    assert_eq!(other.source.address.number, AddressKind { ton: Some(1), npi: Some(8) });
    assert_eq!((other.service_type.as_deref(), other.tlvs), (Some(""), TlvEdits::default()));
}

#[test]
fn presets_are_there_and_can_be_gone_on_from() {
    let preset = |name: &str, submits: &str| {
        let habits = read_profiles(&format!("odd: {{ like: {name}, submits: {{ {submits} }} }}"));
        *habits.unwrap().rewriting.unwrap()
    };
    let dlt = preset("india_dlt", "service_type: X");
    assert_eq!((dlt.tlvs.require, dlt.service_type.as_deref()), (vec![0x1400, 0x1401], Some("X")));
    let plus = preset("international_plus", "");
    assert_eq!((plus.source.address.format, plus.destination.format), (NumberFormat::Plus, NumberFormat::Plus));
}

#[test]
fn what_no_carrier_could_be_sent_is_refused() {
    for (submits, path) in [
        ("sauce: {}", "sauce"),
        ("source: { force: \"\" }", "source.force"),
        ("source: { force: \"123456789012345678901\" }", "source.force"),
        ("source: { long_sender: shorten }", "source.long_sender"),
        ("source: { format: international }", "source.format"),
        ("source: { number: { ton: 256 } }", "source.number.ton"),
        ("source: { number: international }", "source.number"),
        ("source: { short_digits: 21 }", "source.short_digits"),
        ("destination: { force: ACME }", "destination.force"),
        ("destination: { long_sender: cut }", "destination.long_sender"),
        ("destination: { rewrite: \"49*\" }", "destination.rewrite"),
        ("destination: { rewrite: [{ from: \"4*9\", to: \"1\" }] }", "destination.rewrite[0].from"),
        ("destination: { rewrite: [{ from: \"49*\" }] }", "destination.rewrite[0].to"),
        ("destination: { rewrite: [{ from: \"49*\", to: \"\" }] }", "destination.rewrite[0].to"),
        ("destination: { rewrite: [{ from: \"49*\", to: \"1*2\" }] }", "destination.rewrite[0].to"),
        ("destination: { rewrite: [{ from: \"49\", to: \"1*\" }] }", "destination.rewrite[0].to"),
        ("data_coding: 8", "data_coding"),
        ("alphabet: utf8", "alphabet"),
        ("data_coding: { 256: 0 }", "data_coding.256"),
        ("data_coding: { 0: 0x100 }", "data_coding.0"),
        ("service_type: TOOLONG", "service_type"),
        ("validity: 24", "validity"),
        ("validity: 1500ms", "validity"),
        ("validity: 32d", "validity"),
        ("tlvs: { require: [0] }", "tlvs.require[0]"),
        ("tlvs: { require: 0x10000 }", "tlvs.require"),
        ("tlvs: { require: nonsense }", "tlvs.require"),
        ("tlvs: { require: 0x1500..0x15FF }", "tlvs.require"),
        ("tlvs: { drop: [5, 0x15FF..0x1500] }", "tlvs.drop[1]"),
        ("tlvs: { drop: [1..0xFFFF] }", "tlvs.drop[0]"),
        ("tlvs: { drop: message_payload }", "tlvs.drop"),
        ("tlvs: { set: { 0x0424: text } }", "tlvs.set.0x0424"),
        ("tlvs: { add: { 0x1400: a, 5120: b } }", "tlvs.add.5120"),
        ("tlvs: { add: { 0x1400: a }, set: { 0x1400: b } }", "tlvs.add"),
        ("tlvs: { add: { 0x1400: [a] } }", "tlvs.add.0x1400"),
        ("tlvs: { add: { 0x1400: { hex: \"0g\" } } }", "tlvs.add.0x1400.hex"),
        ("tlvs: { add: { 0x1400: { hex: \"123\" } } }", "tlvs.add.0x1400.hex"),
        ("tlvs: { add: { 0x1400: { octets: \"12\" } } }", "tlvs.add.0x1400.hex"),
    ] {
        let problems = read_profiles(&format!("odd: {{ submits: {{ {submits} }} }}")).expect_err(submits);
        assert_eq!(problems[0].path, format!("profiles.odd.submits.{path}"), "{submits}: {problems:?}");
    }
}
