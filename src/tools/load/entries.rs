//! One connection's lines in the ledger. Without a ledger all of this does nothing.

use std::cell::RefCell;
use std::rc::Rc;

use super::books::{until, until_nul};
use super::seat::Role;
use super::template::Template;
use crate::smpp::command::CommandStatus;
use crate::smpp::view::{SmView, tag};
use crate::tools::clock::since_unix_epoch;
use crate::tools::ledger::{Lines, LoadLine, STATES, Tag, word};

pub(super) struct Entries {
    lines: Option<Rc<RefCell<Lines>>>,
    template: Rc<Template>,
    /// Unique in the run: a session that reconnects gets a new one.
    connection: u32,
    is_bound: bool,
}

impl Entries {
    pub(super) fn new(lines: Option<&Rc<RefCell<Lines>>>, template: &Rc<Template>) -> Self {
        Self { lines: lines.cloned(), template: Rc::clone(template), connection: 0, is_bound: false }
    }

    pub(super) fn bound(&mut self, connection: u32, account: &str, role: Role) {
        (self.connection, self.is_bound) = (connection, true);
        let mode = role.name();
        self.add(|_| {
            LoadLine::Bound { connection, account: &word(account.as_bytes()), mode, at_ms: now_ms() }.to_string()
        });
    }

    /// Returns whether it had been bound at all.
    pub(super) fn ended(&mut self) -> bool {
        let (connection, was_bound) = (self.connection, std::mem::take(&mut self.is_bound));
        if was_bound {
            self.add(|_| LoadLine::Ended { connection, at_ms: now_ms() });
        }
        was_bound
    }

    pub(super) fn submitted(&self, number: u64) {
        self.add(|template| LoadLine::Submitted { connection: self.connection, tag: template.tag(number) });
    }

    pub(super) fn answered(&self, number: u64, status: CommandStatus, id: &[u8]) {
        let connection = self.connection;
        self.add(|template| {
            LoadLine::Answered { connection, tag: template.tag(number), status, id: &word(id) }.to_string()
        });
    }

    pub(super) fn in_doubt(&self, number: u64) {
        self.add(|template| LoadLine::InDoubt { connection: self.connection, tag: template.tag(number) });
    }

    /// A receipt, answered with ESME_ROK.
    pub(super) fn receipt(&self, view: &SmView<'_>) {
        let (connection, status) = (self.connection, CommandStatus::ROK);
        self.add(|_| {
            let (id, state) = (id_of(view), state_of(view));
            let tag = Tag::in_receipt(view.text());
            LoadLine::Receipt { connection, tag, id: &word(id), state: &word(state), status }.to_string()
        });
    }

    fn add<T: std::fmt::Display>(&self, line: impl FnOnce(&Template) -> T) {
        if let Some(lines) = &self.lines {
            lines.borrow_mut().add(&line(&self.template));
        }
    }
}

fn now_ms() -> u64 {
    u64::try_from(since_unix_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// Nothing when text and TLV name different ones, which no ledger entry can be.
fn id_of<'a>(view: &SmView<'a>) -> &'a [u8] {
    let in_text = field(view.text(), b"id:");
    let in_tlv = view.tlv(tag::RECEIPTED_MESSAGE_ID).map(until_nul);
    agreed(in_text, in_tlv)
}

fn state_of<'a>(view: &SmView<'a>) -> &'a [u8] {
    let in_text = field(view.text(), b"stat:");
    let in_tlv = view.tlv(tag::MESSAGE_STATE).map(|state| {
        let number = state.first().copied().unwrap_or_default();
        STATES.get(usize::from(number).wrapping_sub(1)).map_or(&b"?"[..], |name| name.as_bytes())
    });
    agreed(in_text, in_tlv)
}

fn agreed<'a>(one: Option<&'a [u8]>, other: Option<&'a [u8]>) -> &'a [u8] {
    match (one, other) {
        (Some(one), Some(other)) if one != other => &[],
        _ => one.or(other).unwrap_or_default(),
    }
}

fn field<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(name.len()).position(|window| window == name)?;
    Some(until(&text[at + name.len()..], b' '))
}
