//! Who may ask at all: HTTP connections counted in by shard 0, and credentials that were wrong counted like those of binds.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::Config;
use crate::engine::effects::Effects;
use crate::engine::event::Notice;
use crate::engine::gate::Was;
use crate::engine::message::{ShardId, ShardMessage};
use crate::engine::shard::Shard;
use crate::engine::time::Instant;
use crate::metrics::{BindRefusal, ConnectionRefusal};

/// Credentials, and where they came from.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    pub address: IpAddr,
    /// The account's, or the digest of a token: wrong ones are counted under it.
    pub name: &'a [u8],
    pub is_token: bool,
}

/// Of a name that was tried, in the log: a request may hold a megabyte of one.
const SHOWN: usize = 64;

impl Shard {
    /// Shard 0 accepted an HTTP connection: counted in, or to be closed without a word.
    pub fn admit_web(&mut self, address: IpAddr, now: Instant) -> Result<(), ConnectionRefusal> {
        let admitted = if self.bans.is_address_banned(address, now) {
            Err(ConnectionRefusal::Banned)
        } else {
            self.gate.admit_web(address, &self.config)
        };
        match admitted {
            Ok(()) => self.counts.http_accepted += 1,
            Err(why) => self.counts.count_connection_refused(why),
        }
        admitted
    }

    pub fn web_ended(&mut self, address: IpAddr, out: &mut Effects) {
        out.tell(ShardId(0), ShardMessage::Ended { address, was: Was::Web });
    }

    /// Whether credentials are refused unchecked.
    #[must_use]
    pub fn is_web_banned(&self, tried: &Tried<'_>, now: Instant) -> bool {
        if !self.bans.has_any() || is_exempt(tried.address, &self.config) {
            return false;
        }
        let pairs = [self.bans.pair(tried.address, tried.name), self.bans.all_of(tried.address)];
        pairs.into_iter().any(|pair| self.bans.is_banned(pair, now))
    }

    /// Credentials were not let in; returns how long the answer waits. Wrong ones are counted and answered late, and so are those that
    /// were not looked at, so that nobody learns which it was.
    pub fn refuse_web(&mut self, tried: &Tried<'_>, why: BindRefusal, now: Instant, out: &mut Effects) -> Duration {
        let &Tried { address, name, is_token } = tried;
        self.counts.count_web_unauthorized(why);
        if self.refusals.may_tell(now) {
            let shown = &name[..name.len().min(SHOWN)];
            let name = if is_token { "a token".into() } else { String::from_utf8_lossy(shown).into_owned() };
            out.notice(Notice::RequestRefused { address, name, why });
        }
        match why {
            BindRefusal::Account | BindRefusal::Password => {
                if !is_exempt(address, &self.config) {
                    let pair = self.bans.pair(address, name);
                    out.tell(ShardId(0), ShardMessage::WrongPassword { address, pair });
                }
            }
            BindRefusal::Banned => {}
            BindRefusal::Disabled
            | BindRefusal::Address
            | BindRefusal::Tls
            | BindRefusal::Certificate
            | BindRefusal::Mode
            | BindRefusal::TooManyBinds
            | BindRefusal::Unavailable => return Duration::ZERO,
        }
        Duration::from_millis(500 + self.random.draw() % 500)
    }
}

fn is_exempt(address: IpAddr, config: &Config) -> bool {
    config.limits.ban_exempt.iter().any(|network| network.contains(address))
}
