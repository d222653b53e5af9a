//! The carrier's lines in the ledger. Without a ledger all of this does nothing.

use std::rc::Rc;

use super::peer::{Peer, PeerKey};
use super::receipt::State;
use crate::smpp::command::CommandStatus;
use crate::smpp::view::SmView;
use crate::tools::clock::since_unix_epoch;
use crate::tools::ids::IdFormat;
use crate::tools::ledger::{Lines, SmscLine, Tag, word};

/// Whose receipt a parcel is.
pub(super) struct Note {
    tag: Option<Tag>,
    id: Box<str>,
    state: &'static str,
}

#[derive(Default)]
pub(super) struct Entries(Option<Lines>);

impl Entries {
    pub(super) fn to(lines: Lines) -> Self {
        Self(Some(lines))
    }

    pub(super) fn bound(&mut self, peer: &Peer, system_id: &[u8]) {
        let mode = match (peer.submits, peer.receives) {
            (true, true) => "transceiver",
            (true, false) => "transmitter",
            (false, _) => "receiver",
        };
        let (connection, system_id) = (peer.key.serial, word(system_id));
        self.add(&SmscLine::Bound { connection, system_id: &system_id, mode, at_ms: now_ms() });
    }

    pub(super) fn ended(&mut self, peer: &Peer) {
        self.add(&SmscLine::Ended { connection: peer.key.serial, at_ms: now_ms() });
    }

    pub(super) fn accepted(
        &mut self,
        to: PeerKey,
        submit: &SmView<'_>,
        (format, number): (IdFormat, u64),
        owed: Option<State>,
    ) {
        if self.0.is_some() {
            let mut id = Vec::new();
            format.write(number, &mut id);
            let (connection, tag) = (to.serial, Tag::begins(submit.text_behind_header()));
            self.add(&SmscLine::Accepted { connection, tag, id: &word(&id), owed: owed.map_or("-", State::text) });
        }
    }

    /// Refused with this status, or never answered.
    pub(super) fn refused(&mut self, to: PeerKey, body: &[u8], status: Option<CommandStatus>) {
        if self.0.is_some() {
            let tag = SmView::submit(body).ok().and_then(|view| Tag::begins(view.text_behind_header()));
            self.add(&SmscLine::Refused { connection: to.serial, tag, status });
        }
    }

    /// What a receipt's parcel carries along, to be named when it is sent, answered or lost.
    pub(super) fn note(&self, submit: &SmView<'_>, id: &[u8], state: State) -> Option<Rc<Note>> {
        self.0.as_ref()?;
        Some(Rc::new(Note { tag: Tag::begins(submit.text_behind_header()), id: word(id).into(), state: state.text() }))
    }

    pub(super) fn sent(&mut self, to: PeerKey, note: Option<&Rc<Note>>, again: bool) {
        if let Some(Note { tag, id, state }) = note.map(Rc::as_ref) {
            self.add(&SmscLine::Sent { connection: to.serial, tag: *tag, id, state, again });
        }
    }

    pub(super) fn answered(&mut self, by: PeerKey, note: Option<&Rc<Note>>, status: CommandStatus) {
        if let Some(Note { tag, id, state }) = note.map(Rc::as_ref) {
            self.add(&SmscLine::Answered { connection: by.serial, tag: *tag, id, state, status });
        }
    }

    pub(super) fn lost(&mut self, with: PeerKey, note: Option<&Rc<Note>>) {
        if let Some(Note { tag, id, state }) = note.map(Rc::as_ref) {
            self.add(&SmscLine::Lost { connection: with.serial, tag: *tag, id, state });
        }
    }

    pub(super) fn flush(&mut self) {
        if let Some(lines) = &mut self.0 {
            lines.flush();
        }
    }

    fn add(&mut self, line: &SmscLine<'_>) {
        if let Some(lines) = &mut self.0 {
            lines.add(line);
        }
    }
}

fn now_ms() -> u64 {
    u64::try_from(since_unix_epoch().as_millis()).unwrap_or(u64::MAX)
}
