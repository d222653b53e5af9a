//! Rules for addresses: which sender, which prefix, how a number is written, and its TON and NPI.

use crate::config::Pattern;
use crate::config::reader::{Fields, Value};
use crate::config::scalars::{choice, printable, whole};

/// In the order they are applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceRules {
    /// Replaces whatever came.
    pub force: Option<String>,
    /// For submits without a sender.
    pub default: Option<String>,
    /// What is done to names of more than 11 characters.
    pub long_sender: LongSender,
    pub address: AddressRules,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AddressRules {
    /// The first that matches decides.
    pub rewrite: Vec<PrefixRule>,
    pub format: NumberFormat,
    /// Of an international number.
    pub number: AddressKind,
    /// Of one that begins with a 0 of its own: no country's code does.
    pub national: AddressKind,
    pub alphanumeric: AddressKind,
    pub short: AddressKind,
    /// A number of so many digits, without `+` or `00`, is a short code.
    pub short_digits: u8,
}

impl Default for AddressRules {
    fn default() -> Self {
        Self {
            rewrite: Vec::new(),
            format: NumberFormat::AsIs,
            number: AddressKind::default(),
            national: AddressKind::default(),
            alphanumeric: AddressKind::default(),
            short: AddressKind::default(),
            short_digits: 6,
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrefixRule {
    pub from: Pattern,
    /// What goes out; without the `*`.
    pub to: String,
    /// What stood behind `from` goes behind it.
    pub keeps_rest: bool,
}

/// How an international number begins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NumberFormat {
    #[default]
    AsIs,
    Plus,
    Zeros,
    Digits,
}

/// What an address of some kind is marked with; `None`: as it came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddressKind {
    pub ton: Option<u8>,
    pub npi: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LongSender {
    #[default]
    Pass,
    Cut,
    Refuse,
}

const FORMATS: [(&str, NumberFormat); 4] = [
    ("as_is", NumberFormat::AsIs),
    ("plus", NumberFormat::Plus),
    ("zeros", NumberFormat::Zeros),
    ("digits", NumberFormat::Digits),
];
const LONG_SENDER: [(&str, LongSender); 3] =
    [("pass", LongSender::Pass), ("cut", LongSender::Cut), ("refuse", LongSender::Refuse)];

pub(super) fn read_source(fields: &mut Fields<'_>, base: &SourceRules) -> SourceRules {
    SourceRules {
        // source_addr has 20 octets and a NUL (SMPP 3.4, section 4.4.1).
        force: fields.parse("force", printable(1..=20)).or_else(|| base.force.clone()),
        default: fields.parse("default", printable(1..=20)).or_else(|| base.default.clone()),
        long_sender: fields.parse_or("long_sender", base.long_sender, choice(&LONG_SENDER)),
        address: read(fields, &base.address),
    }
}

pub(super) fn read(fields: &mut Fields<'_>, base: &AddressRules) -> AddressRules {
    let rewrite = fields.take("rewrite").map(|value| value.elements().iter().filter_map(read_rule).collect());
    AddressRules {
        rewrite: rewrite.unwrap_or_else(|| base.rewrite.clone()),
        format: fields.parse_or("format", base.format, choice(&FORMATS)),
        number: fields.section("number", |fields| read_kind(fields, base.number)),
        national: fields.section("national", |fields| read_kind(fields, base.national)),
        alphanumeric: fields.section("alphanumeric", |fields| read_kind(fields, base.alphanumeric)),
        short: fields.section("short", |fields| read_kind(fields, base.short)),
        short_digits: fields.parse_or("short_digits", base.short_digits, whole(0..=20)),
    }
}

fn read_kind(fields: &mut Fields<'_>, base: AddressKind) -> AddressKind {
    let mut octet = |key| fields.parse(key, whole(0..=255));
    AddressKind { ton: octet("ton").or(base.ton), npi: octet("npi").or(base.npi) }
}

fn read_rule(value: &Value<'_>) -> Option<PrefixRule> {
    let read = |fields: &mut Fields<'_>| {
        let from_value = fields.required("from");
        let from = from_value.as_ref().and_then(|value| value.parse(Pattern::parse));
        let to_value = fields.required("to");
        let to = to_value.as_ref().and_then(|value| value.parse(replacement));
        if let (Some(from), Some((_, true)), Some(value)) = (&from, &to, &to_value)
            && !from.is_prefix
        {
            value.problem("ends in *, which needs a * in `from`: there is nothing behind it");
        }
        from.zip(to).map(|(from, (to, keeps_rest))| PrefixRule { from, to, keeps_rest })
    };
    value.fields(read).flatten()
}

/// What goes out, and whether the rest follows it.
fn replacement(text: &str) -> Result<(String, bool), String> {
    let (to, keeps_rest) = text.strip_suffix('*').map_or((text, false), |to| (to, true));
    if to.contains('*') {
        return Err("a * may stand only at the end".to_owned());
    }
    let least = usize::from(!keeps_rest);
    printable(least..=20)(to).map(|to| (to, keeps_rest))
}
