//! A connection before its bind: little is allowed, and the bind decides where it goes.
//!
//! Its one PDU of worth is a bind: the secret is checked here, on the shard the connection was dealt to, and the
//! connection then moves to its account's home. A wrong password is answered late, and the same whatever was wrong.

use std::net::IpAddr;
use std::time::Duration;

use subtle::{Choice, ConstantTimeEq};

use super::context::Context;
use super::event::{Action, AdmittedBind, Notice};
use super::message::{ShardId, ShardMessage};
use super::session::Session;
use super::slab::Key;
use super::time::Instant;
use super::timers::{Armed, Owner};
use crate::config::{Account, AccountId, Config, Password};
use crate::metrics::BindRefusal;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::{Fault, Frame};
use crate::smpp::pdu::{self, Bind, BindMode};

#[derive(Debug)]
pub struct Unbound {
    pub address: IpAddr,
    state: State,
    /// The account for which we dialled; it alone may bind here, to receive.
    pub called: Option<AccountId>,
    pub armed: Armed,
}

#[derive(Debug)]
enum State {
    AwaitingBind {
        give_up_at: Instant,
    },
    /// The password was wrong: the answer waits, so that guessing is slow.
    Refused {
        answer_at: Instant,
        mode: BindMode,
        sequence: SequenceNumber,
    },
    Closing,
    /// Its account's home refused the bind it had been moved for.
    RefusedAtHome,
}

/// What became of the connection.
#[derive(Debug)]
pub enum Next {
    Stay,
    /// It belongs to this account's home now.
    Move(AdmittedBind, ShardId),
}

impl Unbound {
    /// A connection may send no longer PDU than this before it is bound.
    pub const MAX_PDU: usize = 512;

    #[must_use]
    pub fn new(address: IpAddr, key: Key, cx: &mut Context<'_>) -> Self {
        let give_up_at = cx.now + cx.config.smpp.timers.session_init;
        let mut unbound =
            Self { address, state: State::AwaitingBind { give_up_at }, called: None, armed: Armed::default() };
        cx.timers.arm(Owner::Connection(key), &mut unbound.armed, give_up_at);
        unbound
    }

    /// Whether anything more of it should be looked at.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::AwaitingBind { .. })
    }

    pub fn handle_frame(&mut self, key: Key, frame: &Frame<'_>, cx: &mut Context<'_>) -> Next {
        match frame.command {
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => {
                return self.handle_bind(key, frame, cx);
            }
            CommandId::ENQUIRE_LINK => {
                let out = cx.out.write(key);
                pdu::write_control(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ROK, frame.sequence, out);
            }
            // An answer to nothing: not worth one of ours.
            command if command.is_response() => {
                cx.counts.unsolicited += 1;
                self.close(key, cx);
            }
            command => {
                cx.counts.protocol_errors += 1;
                let resp = if is_known_request(command) { command.response() } else { CommandId::GENERIC_NACK };
                pdu::write_control(resp, CommandStatus::RINVBNDSTS, frame.sequence, cx.out.write(key));
                self.close(key, cx);
            }
        }
        Next::Stay
    }

    pub fn handle_fault(&mut self, key: Key, fault: Fault, cx: &mut Context<'_>) {
        cx.counts.protocol_errors += 1;
        write_fault(key, fault, cx);
        self.close(key, cx);
    }

    pub fn on_timeout(&mut self, key: Key, cx: &mut Context<'_>) {
        match self.state {
            State::AwaitingBind { give_up_at } if give_up_at <= cx.now => self.close(key, cx),
            State::Refused { answer_at, mode, sequence } if answer_at <= cx.now => {
                let status = BindRefusal::Password.into();
                let out = cx.out.write(key);
                pdu::write_bind_resp(mode, status, sequence, &cx.config.smpp.system_id, None, out);
                self.close(key, cx);
            }
            State::AwaitingBind { give_up_at: at } | State::Refused { answer_at: at, .. } => {
                cx.timers.arm(Owner::Connection(key), &mut self.armed, at);
            }
            State::Closing | State::RefusedAtHome => {}
        }
    }

    /// The kernel takes nothing more for it. Nobody who has not bound may make us keep more than a session could.
    pub fn blocked(&mut self, key: Key, cx: &mut Context<'_>) {
        if cx.out.outbox(key.slot).unwritten().len() > Session::MAX_UNWRITTEN {
            self.close(key, cx);
        }
    }

    /// The account's home wrote a bind_resp that refuses: nothing more is read.
    pub fn refuse_at_home(&mut self, key: Key, cx: &mut Context<'_>) {
        self.state = State::RefusedAtHome;
        cx.out.act(Action::Close { connection: key });
    }

    /// Whether shard 0 was told that it bound.
    #[must_use]
    pub fn was_counted_bound(&self) -> bool {
        matches!(self.state, State::RefusedAtHome)
    }

    pub fn close(&mut self, key: Key, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Closing | State::RefusedAtHome) {
            self.state = State::Closing;
            cx.out.act(Action::Close { connection: key });
        }
    }

    /// Who was called binds to receive, and nobody else does there.
    fn expects(&self, account: AccountId, mode: BindMode) -> Result<AccountId, BindRefusal> {
        match self.called {
            Some(called) if called != account => Err(BindRefusal::Address),
            Some(_) if !mode.may_receive() => Err(BindRefusal::Mode),
            Some(_) | None => Ok(account),
        }
    }

    fn handle_bind(&mut self, key: Key, frame: &Frame<'_>, cx: &mut Context<'_>) -> Next {
        let mode = BindMode::from_command(frame.command).unwrap_or(BindMode::Transceiver);
        let system_id = &cx.config.smpp.system_id;
        let bind = match pdu::read_bind(frame) {
            Ok(bind) => bind,
            Err(status) => {
                cx.counts.protocol_errors += 1;
                pdu::write_bind_resp(mode, status, frame.sequence, system_id, None, cx.out.write(key));
                self.close(key, cx);
                return Next::Stay;
            }
        };
        let is_exempt = cx.config.limits.ban_exempt.iter().any(|network| network.contains(self.address));
        let pair = (!is_exempt).then(|| cx.bans.pair(self.address, &bind.system_id));
        let checked = match pair {
            Some(pair) if cx.bans.is_banned(pair, cx.now) => Err(BindRefusal::Banned),
            Some(_) | None => check(&bind, self.address, cx).and_then(|account| self.expects(account, mode)),
        };
        let why = match checked {
            Ok(account) => {
                let bind = AdmittedBind {
                    account,
                    mode,
                    sequence: frame.sequence,
                    interface_version: bind.interface_version,
                    address: self.address,
                    was_called: self.called.is_some(),
                };
                return Next::Move(bind, cx.placement.home_of_account(account));
            }
            Err(why) => why,
        };
        cx.counts.count_bind_refused(why);
        let tried = String::from_utf8_lossy(&bind.system_id).into_owned();
        cx.out.notice(Notice::BindRefused { address: self.address, system_id: tried, why });
        if matches!(why, BindRefusal::Account | BindRefusal::Password) {
            if let Some(pair) = pair {
                cx.out.tell(ShardId(0), ShardMessage::WrongPassword { address: self.address, pair });
            }
            let answer_at = cx.now + Duration::from_millis(500 + cx.random.draw() % 500);
            self.state = State::Refused { answer_at, mode, sequence: frame.sequence };
            cx.timers.arm(Owner::Connection(key), &mut self.armed, answer_at);
        } else {
            pdu::write_bind_resp(mode, why.into(), frame.sequence, system_id, None, cx.out.write(key));
            self.close(key, cx);
        }
        Next::Stay
    }
}

/// Says what was wrong with the framing, unless the peer speaks another protocol.
pub fn write_fault(key: Key, fault: Fault, cx: &mut Context<'_>) {
    match fault {
        Fault::Length(_) => {
            let out = cx.out.write(key);
            pdu::write_control(CommandId::GENERIC_NACK, CommandStatus::RINVCMDLEN, SequenceNumber(0), out);
        }
        Fault::ForeignProtocol => {}
    }
}

fn is_known_request(command: CommandId) -> bool {
    matches!(
        command,
        CommandId::SUBMIT_SM
            | CommandId::SUBMIT_MULTI
            | CommandId::DELIVER_SM
            | CommandId::DATA_SM
            | CommandId::QUERY_SM
            | CommandId::CANCEL_SM
            | CommandId::REPLACE_SM
            | CommandId::UNBIND
    )
}

fn check(bind: &Bind, address: IpAddr, cx: &Context<'_>) -> Result<AccountId, BindRefusal> {
    if cx.is_draining {
        return Err(BindRefusal::Unavailable);
    }
    let found = find(cx.config, &bind.system_id);
    // An unknown name costs the same comparison as a wrong password.
    let is_right = found.is_some_and(|(_, account)| verify(account, &bind.password))
        || (found.is_none() && bool::from(bind.password.ct_ne(&bind.password)));
    let Some((id, account)) = found else { return Err(BindRefusal::Account) };
    if !is_right {
        let only_hashes = account.passwords.iter().all(|password| matches!(password, Password::Argon2id(_)));
        return Err(if only_hashes { BindRefusal::Unavailable } else { BindRefusal::Password });
    }
    let is_allowed_from = match &account.allow_from {
        None => true,
        Some(networks) => networks.iter().any(|network| network.contains(address)),
    };
    if !account.enabled {
        Err(BindRefusal::Disabled)
    } else if !is_allowed_from {
        Err(BindRefusal::Address)
    } else if account.tls_required {
        Err(BindRefusal::Tls)
    } else {
        Ok(id)
    }
}

fn find<'a>(config: &'a Config, system_id: &[u8]) -> Option<(AccountId, &'a Account)> {
    let at = config.accounts.iter().position(|account| account.name.as_bytes() == system_id)?;
    Some((AccountId(u32::try_from(at).ok()?), &config.accounts[at]))
}

/// Compares with every password in constant time, so that timing says neither which nor how far it matched.
fn verify(account: &Account, password: &[u8]) -> bool {
    let mut is_right = Choice::from(0);
    for known in &account.passwords {
        if let Password::Plain(secret) = known {
            is_right |= secret.expose().ct_eq(password);
        }
    }
    is_right.into()
}
