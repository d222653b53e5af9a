//! Profiles: a carrier's habits under a name, so that carriers of one kind share them.
//!
//! A profile begins as another (`like`, a preset or one above it in the file; `default` unless said) and says only what
//! differs. Each section has its own file: how links bind (`links`), what answers mean (`statuses`), what is rewritten on the way
//! out (`submits`), how receipts are read (`receipts`), and what is asked of a message it has (`operations`). What a carrier says
//! itself goes before its profile.

mod links;
mod operations;
mod presets;
mod receipts;
mod statuses;
mod submits;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use links::{LinkHabits, Reconnect};
pub use operations::OperationHabits;
pub use receipts::ReceiptHabits;
pub use statuses::{StatusTable, Then};
pub use submits::{
    AddressKind, AddressRules, LongSender, NumberFormat, PrefixRule, Rewriting, SourceRules, SubmitHabits,
};

use super::carriers::{CarrierIdFormats, read_id_formats};
use super::reader::{Fields, Value};
use super::scalars::printable;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub name: String,
    /// How the ids are written, unless the carrier says otherwise.
    pub message_id: CarrierIdFormats,
    pub links: LinkHabits,
    pub statuses: StatusTable,
    pub submits: SubmitHabits,
    pub receipts: ReceiptHabits,
    pub operations: OperationHabits,
}

/// Every profile by name, the presets first.
pub(super) type Profiles<'a> = BTreeMap<&'a str, Arc<Profile>>;

pub(super) fn read<'a>(top: &mut Fields<'a>) -> Profiles<'a> {
    let mut profiles = presets::all();
    let entries = top.take("profiles").and_then(|value| value.entries()).unwrap_or_default();
    for (name, value) in entries {
        if let Err(message) = printable(1..=64)(name) {
            value.problem(format!("the name {message}"));
        }
        if profiles.contains_key(name) {
            value.problem("is there already: give it another name, and say `like` for what it begins as");
            continue;
        }
        if let Some(profile) = read_one(name, &value, &profiles) {
            profiles.insert(name, Arc::new(profile));
        }
    }
    profiles
}

fn read_one(name: &str, value: &Value<'_>, known: &Profiles<'_>) -> Option<Profile> {
    value.fields(|fields| {
        let like = fields.parse("like", |text| named(text, known));
        let base = like.or_else(|| known.get(presets::DEFAULT).cloned()).unwrap_or_default();
        Profile {
            name: name.to_owned(),
            message_id: read_id_formats(fields, base.message_id),
            links: fields.section("links", |fields| links::read(fields, &base.links)),
            statuses: fields.section("statuses", |fields| statuses::read(fields, &base.statuses)),
            submits: fields.section("submits", |fields| submits::read(fields, &base.submits)),
            receipts: fields.section("receipts", |fields| receipts::read(fields, &base.receipts)),
            operations: fields.section("operations", |fields| operations::read(fields, base.operations)),
        }
    })
}

/// The profile of this name.
pub(super) fn named(text: &str, known: &Profiles<'_>) -> Result<Arc<Profile>, String> {
    known.get(text).cloned().ok_or_else(|| {
        let names: Vec<&str> = known.keys().copied().collect();
        format!("names no profile; there are {}", names.join(", "))
    })
}
