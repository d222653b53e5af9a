//! The lines of all ledgers, gathered by tag. What can only be seen in the order of the lines is judged here.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::message::{Message, Outcome, State};
use super::verdict::Offenders;
use crate::smpp::command::CommandStatus;
use crate::tools::ledger::{LoadLine, SmscLine, Tag};

type Map<K, V> = HashMap<K, V, ahash::RandomState>;

#[derive(Default)]
pub(super) struct Books {
    pub(super) messages: Map<Tag, Message>,
    pub(super) accounts: Vec<String>,
    /// Acknowledged ids, and whose they are.
    ids: Map<Box<str>, Tag>,
    /// Connections of the file being read, and their accounts.
    connections: Map<u32, u16>,
    /// Receipts whose tag was not answered yet, and their connections.
    early: Map<Tag, Vec<u32>>,
    pub(super) receipts: u64,
    pub(super) sent_again: u64,
    /// I1: an id that was given to two submits.
    pub(super) repeated_ids: Offenders,
    /// I3: a receipt that reached another account, or with another id or state.
    pub(super) misrouted: Offenders,
    /// I7: what was told of a submit that nobody made, or twice of one.
    pub(super) unaccounted: Offenders,
    /// I9: a receipt before its answer on one connection.
    pub(super) before_answer: Offenders,
}

impl Books {
    pub(super) fn smsc_line(&mut self, line: &str) -> Result<(), String> {
        match SmscLine::parse(line).ok_or_else(|| format!("`{line}` is no line of a carrier's ledger"))? {
            SmscLine::Accepted { tag, id, owed, .. } => {
                let Some(tag) = tag else {
                    self.unaccounted.add(format!("accepted without a tag, under id {id}"));
                    return Ok(());
                };
                let message = self.messages.entry(tag).or_default();
                message.accepts = message.accepts.saturating_add(1);
                message.owed = (owed != "-").then(|| State::of(owed)).or(message.owed);
            }
            SmscLine::Sent { tag: Some(tag), state, again, .. } => {
                self.messages.entry(tag).or_default().offered.add(State::of(state));
                self.sent_again += u64::from(again);
            }
            SmscLine::Answered { tag: Some(tag), state, status, .. } => {
                let message = self.messages.entry(tag).or_default();
                if status.is_ok() {
                    message.settled.add(State::of(state));
                } else {
                    // It was turned away, so it cannot excuse a repeat.
                    message.offered.take(State::of(state));
                }
            }
            // Receipts without a tag are those of submits without one, told above.
            SmscLine::Bound { .. }
            | SmscLine::Ended { .. }
            | SmscLine::Refused { .. }
            | SmscLine::Sent { tag: None, .. }
            | SmscLine::Answered { tag: None, .. }
            | SmscLine::Lost { .. } => {}
        }
        Ok(())
    }

    pub(super) fn begin_load(&mut self) {
        self.connections.clear();
        self.early.clear();
    }

    /// The first reading: submits and their outcomes.
    pub(super) fn load_line(&mut self, line: &str) -> Result<(), String> {
        match read_load(line)? {
            LoadLine::Bound { connection, account, .. } => self.bound(connection, account),
            LoadLine::Ended { .. } => {}
            LoadLine::Submitted { connection, tag } => {
                let account = self.account_of(connection)?;
                let message = self.messages.entry(tag).or_default();
                message.account.get_or_insert(account);
                message.submits = message.submits.saturating_add(1);
            }
            LoadLine::Answered { connection, tag, status, id } => {
                if self.early.remove(&tag).is_some_and(|connections| connections.contains(&connection)) {
                    self.before_answer.add(format!("{tag} on connection {connection}"));
                }
                self.answered(tag, status, id);
            }
            LoadLine::InDoubt { tag, .. } => self.outcome(tag, Outcome::InDoubt),
            LoadLine::Receipt { connection, tag, .. } => {
                let is_early = |message: &Message| message.outcome == Outcome::Untold;
                if let Some(tag) = tag.filter(|tag| self.messages.get(tag).is_some_and(is_early)) {
                    self.early.entry(tag).or_default().push(connection);
                }
            }
        }
        Ok(())
    }

    /// The second reading: receipts, now that every id is known.
    pub(super) fn receipt_line(&mut self, line: &str) -> Result<(), String> {
        match read_load(line)? {
            LoadLine::Bound { connection, account, .. } => self.bound(connection, account),
            LoadLine::Receipt { connection, tag, id, state, .. } => {
                let account = self.account_of(connection)?;
                self.receipts += 1;
                if let Err(why) = self.receipt(account, tag, id, State::of(state)) {
                    let tag = tag.map_or_else(|| "a receipt without a tag".to_owned(), |tag| tag.to_string());
                    self.misrouted.add(format!("{tag} with id {id} and {state} at {}: {why}", self.name(account)));
                }
            }
            LoadLine::Ended { .. }
            | LoadLine::Submitted { .. }
            | LoadLine::Answered { .. }
            | LoadLine::InDoubt { .. } => {}
        }
        Ok(())
    }

    pub(super) fn name(&self, account: u16) -> &str {
        self.accounts.get(usize::from(account)).map_or("nobody", String::as_str)
    }

    fn receipt(&mut self, account: u16, tag: Option<Tag>, id: &str, state: State) -> Result<(), String> {
        let owner_of_id = self.ids.get(id).copied();
        // One whose text did not come along is known by its id.
        let Some(tag) = tag.or(owner_of_id) else { return Err("an id that was never given out".to_owned()) };
        let Some(message) = self.messages.get_mut(&tag).filter(|message| message.submits > 0) else {
            return Err("a submit that nobody made".to_owned());
        };
        if message.account != Some(account) {
            let owner = message.account.and_then(|account| self.accounts.get(usize::from(account)));
            return Err(format!("it belongs to {}", owner.map_or("nobody", String::as_str)));
        }
        match &message.outcome {
            Outcome::Acknowledged { id: told } if **told != *id => return Err(format!("its id is {told}")),
            Outcome::Refused(status) => return Err(format!("it was refused with {status}")),
            Outcome::InDoubt | Outcome::Untold => {
                if let Some(owner) = owner_of_id {
                    return Err(format!("that is the id of {owner}"));
                }
                if let Some(seen) = message.seen_id.as_ref().filter(|seen| ***seen != *id) {
                    return Err(format!("its id was {seen} before"));
                }
                message.seen_id = Some(id.into());
            }
            Outcome::Acknowledged { .. } => {}
        }
        if message.offered.of(state) == 0 && message.settled.of(state) == 0 {
            return Err("a state its carrier never sent".to_owned());
        }
        message.received.add(state);
        Ok(())
    }

    fn bound(&mut self, connection: u32, account: &str) {
        let known = self.accounts.iter().position(|name| name == account);
        let number = known.unwrap_or_else(|| {
            self.accounts.push(account.to_owned());
            self.accounts.len() - 1
        });
        self.connections.insert(connection, u16::try_from(number).unwrap_or(u16::MAX));
    }

    fn account_of(&self, connection: u32) -> Result<u16, String> {
        self.connections.get(&connection).copied().ok_or_else(|| format!("connection {connection} was never bound"))
    }

    fn answered(&mut self, tag: Tag, status: CommandStatus, id: &str) {
        if !status.is_ok() {
            return self.outcome(tag, Outcome::Refused(status));
        }
        match self.ids.entry(id.into()) {
            Entry::Occupied(owner) => self.repeated_ids.add(format!("{tag} got id {id} of {}", owner.get())),
            Entry::Vacant(free) => {
                free.insert(tag);
            }
        }
        self.outcome(tag, Outcome::Acknowledged { id: id.into() });
    }

    fn outcome(&mut self, tag: Tag, outcome: Outcome) {
        let message = self.messages.entry(tag).or_default();
        message.outcomes = message.outcomes.saturating_add(1);
        if message.submits == 0 {
            self.unaccounted.add(format!("{tag} has an outcome and was not submitted before"));
        } else if message.outcomes > 1 {
            self.unaccounted.add(format!("{tag} has two outcomes: {:?} and {outcome:?}", message.outcome));
        }
        message.outcome = outcome;
    }
}

fn read_load(line: &str) -> Result<LoadLine<'_>, String> {
    LoadLine::parse(line).ok_or_else(|| format!("`{line}` is no line of a load's ledger"))
}
