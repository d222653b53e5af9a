//! The connections of a run: whose each is, and what it is for.

use super::ledger::{AccountIndex, ConnectionIndex};
use super::schedule::Schedule;
use super::{LoadArgs, Mode};
use crate::smpp::command::CommandId;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Transceiver,
    Transmitter,
    Receiver,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transceiver => "transceiver",
            Self::Transmitter => "transmitter",
            Self::Receiver => "receiver",
        }
    }

    pub(super) fn bind_command(self) -> CommandId {
        match self {
            Self::Transceiver => CommandId::BIND_TRANSCEIVER,
            Self::Transmitter => CommandId::BIND_TRANSMITTER,
            Self::Receiver => CommandId::BIND_RECEIVER,
        }
    }
}

/// What tells a session from the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) connection: ConnectionIndex,
    pub(super) account: AccountIndex,
    pub(super) role: Role,
    /// In an open loop, for those that submit.
    pub(super) schedule: Option<Schedule>,
}

/// Every connection: those that submit first, then the receivers of split mode.
pub(super) fn seats(args: &LoadArgs) -> Vec<Seat> {
    let binds = args.binds as usize;
    let accounts = args.accounts().len();
    let seat = |at: usize, role: Role| Seat {
        connection: ConnectionIndex(u32::try_from(at).unwrap_or(u32::MAX)),
        account: AccountIndex(u16::try_from(at % binds % accounts).unwrap_or(u16::MAX)),
        role,
        schedule: args.rate.map(|rate| Schedule::new(rate, at, binds)),
    };
    match args.mode {
        Mode::Transceiver => (0..binds).map(|at| seat(at, Role::Transceiver)).collect(),
        Mode::Split => {
            let receivers = (binds..2 * binds).map(|at| seat(at, Role::Receiver));
            receivers.chain((0..binds).map(|at| seat(at, Role::Transmitter))).collect()
        }
        Mode::Transmitter => (0..binds).map(|at| seat(at, Role::Transmitter)).collect(),
        Mode::Receiver => (0..binds).map(|at| seat(at, Role::Receiver)).collect(),
    }
}
