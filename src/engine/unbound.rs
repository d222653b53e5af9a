//! A connection before its bind: little is allowed, and the bind decides where it goes.
//!
//! Its one PDU of worth is a bind: the secret is checked here, on the shard the connection was dealt to, and the
//! connection then moves to its account's home. A wrong password is answered late, and the same whatever was wrong.
//!
//! Where the configuration has hashes, every password that is not a plain one goes where they are compared (`Action::Verify`), also
//! one for an account without hashes or for none at all: how long that takes, and that it is refused when too many wait, must not
//! tell which names there are.

use std::net::IpAddr;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::bans::Pair;
use super::context::Context;
use super::event::{Action, AdmittedBind, Notice, Verdict};
use super::message::{ShardId, ShardMessage};
use super::session::Session;
use super::slab::Key;
use super::time::Instant;
use super::timers::{Armed, Owner};
use super::ways;
use crate::config::{Account, AccountId, Config, Secret};
use crate::metrics::BindRefusal;
use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::{Fault, Frame};
use crate::smpp::pdu::{self, Bind, BindMode};

#[derive(Debug)]
pub struct Unbound {
    pub address: IpAddr,
    way: Way,
    state: State,
    /// The account for which we dialled; it alone may bind here, to receive.
    pub called: Option<AccountId>,
    pub armed: Armed,
}

/// How it came.
#[derive(Debug)]
enum Way {
    InClear,
    Handshaking,
    /// Over TLS; the DNS names in the certificate it showed.
    Secured {
        names: Vec<String>,
    },
}

#[derive(Debug)]
enum State {
    AwaitingBind {
        give_up_at: Instant,
    },
    /// Its password is being compared with hashes; nothing more of it is looked at meanwhile.
    Verifying(Box<Tried>),
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

/// A bind whose password is not known to be right.
#[derive(Debug)]
struct Tried {
    account: Option<AccountId>,
    system_id: Vec<u8>,
    mode: BindMode,
    sequence: SequenceNumber,
    interface_version: u8,
    /// What wrong passwords are counted under; `None` where they are not.
    pair: Option<Pair>,
    /// When it is answered if the password is wrong.
    answer_at: Instant,
    /// A comparison that takes longer is not waited for.
    give_up_at: Instant,
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
    pub fn new(address: IpAddr, is_tls: bool, key: Key, cx: &mut Context<'_>) -> Self {
        let give_up_at = cx.now + cx.config.smpp.timers.session_init;
        let state = State::AwaitingBind { give_up_at };
        let way = if is_tls { Way::Handshaking } else { Way::InClear };
        let mut unbound = Self { address, way, state, called: None, armed: Armed::default() };
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
            State::Verifying(ref tried) if tried.give_up_at <= cx.now => {
                self.verified(key, Verdict::Unavailable, cx);
            }
            State::AwaitingBind { give_up_at: at } | State::Refused { answer_at: at, .. } => {
                cx.timers.arm(Owner::Connection(key), &mut self.armed, at);
            }
            State::Verifying(ref tried) => {
                cx.timers.arm(Owner::Connection(key), &mut self.armed, tried.give_up_at);
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
        let (account, is_right) = look_up(&bind, cx.config);
        let tried = Box::new(Tried {
            account,
            system_id: bind.system_id,
            mode,
            sequence: frame.sequence,
            interface_version: bind.interface_version,
            pair,
            answer_at: cx.now + Duration::from_millis(500 + cx.random.draw() % 500),
            give_up_at: cx.now + cx.config.smpp.timers.response,
        });
        if cx.is_draining {
            self.refuse(key, &tried, BindRefusal::Unavailable, cx);
        } else if pair.is_some_and(|pair| cx.bans.is_banned(pair, cx.now)) {
            self.refuse(key, &tried, BindRefusal::Banned, cx);
        } else if is_right {
            return self.password_right(key, &tried, cx);
        } else if cx.config.has_hashes() {
            cx.timers.arm(Owner::Connection(key), &mut self.armed, tried.give_up_at);
            self.state = State::Verifying(tried);
            cx.out.act(Action::Verify { connection: key, account, password: Secret::new(bind.password) });
        } else {
            self.password_wrong(key, &tried, cx);
        }
        Next::Stay
    }

    /// The password that was being compared turned out so.
    pub fn verified(&mut self, key: Key, verdict: Verdict, cx: &mut Context<'_>) -> Next {
        if !matches!(self.state, State::Verifying(_)) {
            return Next::Stay;
        }
        let State::Verifying(tried) = std::mem::replace(&mut self.state, State::Closing) else { return Next::Stay };
        match verdict {
            // What ends meanwhile takes nobody in.
            _ if cx.is_draining => self.refuse(key, &tried, BindRefusal::Unavailable, cx),
            Verdict::Right => return self.password_right(key, &tried, cx),
            Verdict::Wrong => self.password_wrong(key, &tried, cx),
            Verdict::Unavailable => self.refuse(key, &tried, BindRefusal::Unavailable, cx),
        }
        Next::Stay
    }

    fn password_right(&mut self, key: Key, tried: &Tried, cx: &mut Context<'_>) -> Next {
        let may_bind = tried.account.ok_or(BindRefusal::Account).and_then(|account| {
            self.check_ways(cx.config.account(account))?;
            self.expects(account, tried.mode)
        });
        match may_bind {
            Ok(account) => {
                let &Tried { mode, sequence, interface_version, .. } = tried;
                let (address, was_called) = (self.address, self.called.is_some());
                let bind = AdmittedBind { account, mode, sequence, interface_version, address, was_called };
                Next::Move(bind, cx.placement.home_of_account(account))
            }
            Err(why) => {
                self.refuse(key, tried, why, cx);
                Next::Stay
            }
        }
    }

    /// Answered late, and then closed.
    fn password_wrong(&mut self, key: Key, tried: &Tried, cx: &mut Context<'_>) {
        let why = if tried.account.is_some() { BindRefusal::Password } else { BindRefusal::Account };
        tell_refused(self.address, &tried.system_id, why, cx);
        if let Some(pair) = tried.pair {
            cx.out.tell(ShardId(0), ShardMessage::WrongPassword { address: self.address, pair });
        }
        let answer_at = tried.answer_at.max(cx.now);
        self.state = State::Refused { answer_at, mode: tried.mode, sequence: tried.sequence };
        cx.timers.arm(Owner::Connection(key), &mut self.armed, answer_at);
    }

    fn refuse(&mut self, key: Key, tried: &Tried, why: BindRefusal, cx: &mut Context<'_>) {
        tell_refused(self.address, &tried.system_id, why, cx);
        let system_id = &cx.config.smpp.system_id;
        pdu::write_bind_resp(tried.mode, why.into(), tried.sequence, system_id, None, cx.out.write(key));
        self.state = State::Closing;
        cx.out.act(Action::Close { connection: key });
    }

    /// Whether the account may be used in the way this connection came.
    fn check_ways(&self, account: &Account) -> Result<(), BindRefusal> {
        let names = match &self.way {
            Way::Secured { names } => Some(names.as_slice()),
            Way::InClear | Way::Handshaking => None,
        };
        ways::check(account, self.address, names)
    }

    pub fn secured(&mut self, names: Vec<String>) {
        self.way = Way::Secured { names };
    }

    /// Whether it ends before both sides agreed on TLS.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        matches!(self.way, Way::Handshaking)
    }
}

/// Counts a bind that was refused, and has it told unless too many were lately.
pub fn tell_refused(address: IpAddr, system_id: &[u8], why: BindRefusal, cx: &mut Context<'_>) {
    cx.counts.count_bind_refused(why);
    if cx.refusals.may_tell(cx.now) {
        let system_id = String::from_utf8_lossy(system_id).into_owned();
        cx.out.notice(Notice::BindRefused { address, system_id, why });
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

/// The account of that name, and whether the password is one of its plain ones.
fn look_up(bind: &Bind, config: &Config) -> (Option<AccountId>, bool) {
    let Some((id, account)) = find(config, &bind.system_id) else {
        // An unknown name costs the same comparison as a wrong password.
        return (None, bind.password.ct_ne(&bind.password).into());
    };
    (Some(id), ways::is_plain_password(&account.passwords, &bind.password))
}

fn find<'a>(config: &'a Config, system_id: &[u8]) -> Option<(AccountId, &'a Account)> {
    let is_named = |account: &Account| account.name.as_bytes() == system_id && !account.is_gone;
    let at = config.accounts.iter().position(is_named)?;
    Some((AccountId(u32::try_from(at).ok()?), &config.accounts[at]))
}
