//! Whose HTTP requests are: names and tokens to accounts, and whether what was shown for one is right.
//!
//! Wrong credentials are answered alike, late, and counted with those of binds; unknown names take as long as known ones
//! (`engine::unbound`). Right ones that may not be used from there or in that way are told so.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use ahash::AHashMap;
use glommio::timer::Timer;
use subtle::ConstantTimeEq;

use crate::config::{AccountId, Config, Secret};
use crate::engine::event::Verdict;
use crate::engine::time::Instant;
use crate::engine::ways;
use crate::engine::web::Tried;
use crate::http::Credentials;
use crate::metrics::BindRefusal;
use crate::runtime::clock;
use crate::runtime::shard_loop::ShardLoop;

/// Made once for a configuration.
pub struct WebAccounts {
    names: AHashMap<Vec<u8>, AccountId>,
    tokens: AHashMap<[u8; 32], AccountId>,
}

/// Who is at the other end of a connection.
pub struct WebPeer {
    pub address: IpAddr,
    /// The DNS names of its certificate; `None` when it came in clear.
    pub names: Option<Vec<String>>,
    /// The last password that was found right by its hash: what follows on the connection need not be compared again.
    known: RefCell<Option<Known>>,
}

struct Known {
    account: AccountId,
    password: Secret,
    /// Under this configuration; another may know another.
    generation: u64,
}

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// Nobody, or not he.
    Unauthorized,
    Forbidden,
    /// It cannot be checked now.
    Busy,
}

impl WebAccounts {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (mut names, mut tokens) = (AHashMap::new(), AHashMap::new());
        for (index, account) in config.accounts.iter().enumerate().filter(|(_, account)| !account.is_gone) {
            let id = AccountId(index as u32);
            names.insert(account.name.clone().into_bytes(), id);
            tokens.extend(account.tokens.iter().map(|token| (*token, id)));
        }
        Self { names, tokens }
    }
}

impl WebPeer {
    #[must_use]
    pub fn new(address: IpAddr, names: Option<Vec<String>>) -> Self {
        Self { address, names, known: RefCell::default() }
    }

    fn knows(&self, account: Option<AccountId>, password: &Secret, generation: u64) -> bool {
        let known = self.known.borrow();
        let known = known.as_ref().filter(|known| Some(known.account) == account && known.generation == generation);
        known.is_some_and(|known| known.password.expose().ct_eq(password.expose()).into())
    }
}

impl ShardLoop {
    /// The account that the credentials open for who comes from `address`, over this connection.
    pub(super) async fn let_in(
        self: &Rc<Self>,
        credentials: &Credentials,
        peer: &WebPeer,
        address: IpAddr,
    ) -> Result<AccountId, Denied> {
        let (name, is_token) = match credentials {
            Credentials::Password { account, .. } => (account.as_slice(), false),
            Credentials::Token(digest) => (digest.as_slice(), true),
        };
        let tried = Tried { address, name, is_token };
        let now = Instant::from_nanos(clock::monotonic_ns());
        if self.engine.borrow().shard.is_web_banned(&tried, now) {
            return self.deny(&tried, BindRefusal::Banned).await;
        }
        let live = self.live();
        let accounts = &live.web_accounts;
        let account = match credentials {
            Credentials::Token(digest) => match accounts.tokens.get(digest) {
                Some(account) => *account,
                None => return self.deny(&tried, BindRefusal::Password).await,
            },
            Credentials::Password { account, password } => {
                let account = accounts.names.get(account).copied();
                match (self.check(account, password, peer).await, account) {
                    (Verdict::Right, Some(account)) => account,
                    (Verdict::Unavailable, _) => return self.deny(&tried, BindRefusal::Unavailable).await,
                    (Verdict::Right | Verdict::Wrong, None) => return self.deny(&tried, BindRefusal::Account).await,
                    (Verdict::Wrong, Some(_)) => return self.deny(&tried, BindRefusal::Password).await,
                }
            }
        };
        match ways::check(live.config.account(account), address, peer.names.as_deref()) {
            Ok(()) => Ok(account),
            Err(why) => self.deny(&tried, why).await,
        }
    }

    async fn check(&self, account: Option<AccountId>, password: &Secret, peer: &WebPeer) -> Verdict {
        let live = self.live();
        let config = &live.config;
        let passwords = account.map_or(&[][..], |account| &config.account(account).passwords);
        if ways::is_plain_password(passwords, password.expose()) || peer.knows(account, password, live.generation) {
            return Verdict::Right;
        }
        if !config.has_hashes() {
            return Verdict::Wrong;
        }
        let verdict = self.compare(account, password).await;
        if let (Verdict::Right, Some(account)) = (verdict, account) {
            peer.known.replace(Some(Known { account, password: password.clone(), generation: live.generation }));
        }
        verdict
    }

    async fn deny<T>(&self, tried: &Tried<'_>, why: BindRefusal) -> Result<T, Denied> {
        let wait = self.in_engine(|engine, now| engine.shard.refuse_web(tried, why, now, &mut engine.out));
        if !wait.is_zero() {
            Timer::new(wait).await;
        }
        Err(match why {
            BindRefusal::Account | BindRefusal::Password | BindRefusal::Banned => Denied::Unauthorized,
            BindRefusal::Unavailable => Denied::Busy,
            BindRefusal::Disabled
            | BindRefusal::Address
            | BindRefusal::Tls
            | BindRefusal::Certificate
            | BindRefusal::Mode
            | BindRefusal::TooManyBinds => Denied::Forbidden,
        })
    }
}
