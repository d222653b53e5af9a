//! Profiles that are there without being written.

use std::sync::Arc;

use super::submits::{AddressKind, AddressRules, NumberFormat, Rewriting, SourceRules, SubmitHabits};
use super::{Profile, Profiles};
use crate::smpp::edit::TlvEdits;

/// What a carrier has that names none.
pub(super) const DEFAULT: &str = "default";

pub(super) fn all<'a>() -> Profiles<'a> {
    let presets =
        [(DEFAULT, Rewriting::default()), ("india_dlt", india_dlt()), ("international_plus", international_plus())];
    let profile = |(name, rewriting): (&'a str, Rewriting)| {
        let profile = Profile { name: name.to_owned(), submits: SubmitHabits::of(rewriting), ..Profile::default() };
        (name, Arc::new(profile))
    };
    presets.into_iter().map(profile).collect()
}

/// India's registry of senders and texts: carriers there drop what comes without both ids, and charge for it.
fn india_dlt() -> Rewriting {
    let tlvs = TlvEdits { require: vec![0x1400, 0x1401], ..TlvEdits::default() };
    Rewriting { tlvs, ..Rewriting::default() }
}

/// Numbers with a `+`, international by TON and NPI; names marked as names.
fn international_plus() -> Rewriting {
    let kind = |ton, npi| AddressKind { ton: Some(ton), npi: Some(npi) };
    let rules = || AddressRules {
        format: NumberFormat::Plus,
        number: kind(1, 1),
        alphanumeric: kind(5, 0),
        ..AddressRules::default()
    };
    let source = SourceRules { address: rules(), ..SourceRules::default() };
    Rewriting { source, destination: rules(), ..Rewriting::default() }
}
