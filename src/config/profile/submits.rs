//! What is rewritten in a submit on its way to the carrier. Nothing, unless a profile says so.
//!
//! What an address becomes is in `addresses`, and what is done to TLVs in `tlvs`.

mod addresses;
mod tlvs;

pub use addresses::{AddressKind, AddressRules, LongSender, NumberFormat, PrefixRule, SourceRules};

use std::time::Duration;

use crate::config::reader::Fields;
use crate::config::scalars::{choice, duration, printable, whole};
use crate::smpp::edit::TlvEdits;
use crate::smpp::text::DefaultAlphabet;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitHabits {
    /// `None`: every octet stays as it came.
    pub rewriting: Option<Box<Rewriting>>,
}

impl SubmitHabits {
    pub(super) fn of(rewriting: Rewriting) -> Self {
        let is_untouched = rewriting == Rewriting::default();
        Self { rewriting: (!is_untouched).then(|| Box::new(rewriting)) }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewriting {
    pub source: SourceRules,
    pub destination: AddressRules,
    /// What goes out instead of a data_coding; the text stays.
    pub data_coding: Vec<(u8, u8)>,
    /// What the carrier takes a text of data_coding 0 to be, which is converted to it.
    pub alphabet: DefaultAlphabet,
    /// Replaces whatever came.
    pub service_type: Option<String>,
    /// For submits that say nothing: a relative validity_period.
    pub validity: Option<String>,
    pub tlvs: TlvEdits,
}

/// Texts of data_coding 0 are GSM 7-bit as they come.
const ALPHABETS: [(&str, DefaultAlphabet); 5] = [
    ("as_is", DefaultAlphabet::Gsm),
    ("gsm", DefaultAlphabet::Gsm),
    ("latin1", DefaultAlphabet::Latin1),
    ("ascii", DefaultAlphabet::Ascii),
    ("packed", DefaultAlphabet::Packed),
];

pub(super) fn read(fields: &mut Fields<'_>, base: &SubmitHabits) -> SubmitHabits {
    let base = base.rewriting.as_deref().cloned().unwrap_or_default();
    let rewriting = Rewriting {
        source: fields.section("source", |fields| addresses::read_source(fields, &base.source)),
        destination: fields.section("destination", |fields| addresses::read(fields, &base.destination)),
        data_coding: read_data_coding(fields).unwrap_or(base.data_coding),
        alphabet: fields.parse_or("alphabet", base.alphabet, choice(&ALPHABETS)),
        // service_type has 5 octets and a NUL (SMPP 3.4, section 5.2.11).
        service_type: fields.parse("service_type", printable(0..=5)).or(base.service_type),
        validity: fields.parse("validity", validity).or(base.validity),
        tlvs: fields.section("tlvs", |fields| tlvs::read(fields, &base.tlvs)),
    };
    SubmitHabits::of(rewriting)
}

fn read_data_coding(fields: &mut Fields<'_>) -> Option<Vec<(u8, u8)>> {
    let entries = fields.take("data_coding")?.entries()?;
    let pairs = entries.into_iter().filter_map(|(key, value)| match octet(key) {
        Ok(from) => value.parse(octet).map(|to| (from, to)),
        Err(message) => {
            value.problem(format!("the key {message}"));
            None
        }
    });
    Some(pairs.filter(|(from, to)| from != to).collect())
}

/// An octet, as `8` or `0x08`.
fn octet(text: &str) -> Result<u8, String> {
    let hex = text.strip_prefix("0x").filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let from_hex = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
    from_hex.map_or_else(|| whole(0..=255)(text), Ok)
}

/// A relative time as the wire has it, `YYMMDDhhmmss000R` (SMPP 3.4, section 7.1.1.2).
fn validity(text: &str) -> Result<String, String> {
    const LONGEST: Duration = Duration::from_secs(31 * 86_400);
    let duration = duration(text)?;
    if duration.subsec_millis() != 0 || duration > LONGEST {
        return Err("must be whole seconds, and at most 31d".to_owned());
    }
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    Ok(format!("0000{days:02}{hours:02}{minutes:02}{:02}000R", seconds % 60))
}

#[cfg(test)]
mod tests;
