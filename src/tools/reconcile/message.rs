//! One submit as both sides saw it.

use crate::smpp::command::CommandStatus;
use crate::tools::ledger::STATES;

/// What the customer was told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Outcome {
    #[default]
    Untold,
    Acknowledged {
        id: Box<str>,
    },
    Refused(CommandStatus),
    /// No answer came.
    InDoubt,
}

/// A receipt's state: its place among `STATES`, or behind them all for what is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct State(pub(super) usize);

const KINDS: usize = STATES.len() + 1;

impl State {
    pub(super) fn of(name: &str) -> Self {
        Self(STATES.iter().position(|state| *state == name).unwrap_or(STATES.len()))
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..KINDS).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        STATES.get(self.0).copied().unwrap_or("no state")
    }

    /// DESIGN, section 11: the others keep the entry.
    pub(super) fn is_final(self) -> bool {
        ["DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "REJECTD"].contains(&self.name())
    }
}

/// How many receipts of each state; more than 255 are not told apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts([u8; KINDS]);

impl Counts {
    pub(super) fn add(&mut self, state: State) {
        self.0[state.0] = self.0[state.0].saturating_add(1);
    }

    pub(super) fn take(&mut self, state: State) {
        self.0[state.0] = self.0[state.0].saturating_sub(1);
    }

    pub(super) fn of(&self, state: State) -> u64 {
        u64::from(self.0[state.0])
    }
}

#[derive(Debug, Default)]
pub(super) struct Message {
    /// By name of the account, numbered; `None` while only a carrier has spoken of it.
    pub(super) account: Option<u16>,
    pub(super) submits: u8,
    /// Outcomes told; one is right.
    pub(super) outcomes: u8,
    pub(super) outcome: Outcome,
    pub(super) accepts: u8,
    /// The state of the final receipt its carrier owes.
    pub(super) owed: Option<State>,
    /// Offered by the carrier, those it was told to keep aside.
    pub(super) offered: Counts,
    /// Offered by the carrier and answered ESME_ROK.
    pub(super) settled: Counts,
    /// Come to a customer.
    pub(super) received: Counts,
    /// The id its receipts carried, while no answer has told it.
    pub(super) seen_id: Option<Box<str>>,
}

impl Message {
    /// Whether a receipt of this state, or one that supersedes it, came to a customer.
    pub(super) fn has_reached(&self, state: State) -> bool {
        let final_came = || State::all().any(|other| other.is_final() && self.received.of(other) > 0);
        self.received.of(state) > 0 || (!state.is_final() && final_came())
    }

    /// Receipts beyond one for each time the carrier offered it.
    pub(super) fn repeats(&self) -> u64 {
        State::all().map(|state| self.received.of(state).saturating_sub(self.offered.of(state).max(1))).sum()
    }
}
