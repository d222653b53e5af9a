//! What a reload replaces, as one: the configuration, and what was read and made for it. Each shard has its own handle to it, changed by
//! a message, so that no lock is taken for it there; whoever is no shard asks `Current`.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::runtime::passwords::Passwords;
use crate::runtime::reload::Step;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::tls::{self, TlsSetup};
use crate::runtime::web_accounts::WebAccounts;

#[derive(Clone)]
pub struct Live {
    pub config: Arc<Config>,
    pub tls: Arc<TlsSetup>,
    /// Whose names and tokens those of HTTP requests are.
    pub web_accounts: Arc<WebAccounts>,
    /// Where passwords are compared with hashes; `None` where there are none.
    pub passwords: Option<Arc<Passwords>>,
    /// Counts the reloads.
    pub generation: u64,
}

impl Live {
    /// Reads what the configuration names, and makes what it needs; of what runs, that which will do.
    ///
    /// # Errors
    /// Every problem, one a line.
    pub fn open(config: Config, before: Option<&Self>) -> Result<Self, Vec<String>> {
        let tls = tls::open(&config)?;
        let passwords = Passwords::start(&config, before.and_then(|before| before.passwords.as_ref()));
        let passwords = passwords.map_err(|error| vec![error])?;
        Ok(Self {
            tls: Arc::new(tls),
            web_accounts: Arc::new(WebAccounts::new(&config)),
            passwords,
            config: Arc::new(config),
            generation: before.map_or(0, |before| before.generation + 1),
        })
    }
}

/// The configuration as the last reload left it.
pub struct Current(Mutex<Arc<Config>>);

impl Current {
    #[must_use]
    pub fn new(config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(config)))
    }

    #[must_use]
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, config: &Arc<Config>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(config);
    }
}

impl ShardLoop {
    /// Does its part of a reload.
    pub(super) fn take_step(&self, step: Step) {
        match step {
            Step::Prepare { live, placement } => {
                self.in_engine(|engine, _| {
                    engine.store.configure(&live.config);
                    engine.shard.prepare(Arc::clone(&live.config), placement);
                });
                self.live.replace(Rc::new(live));
            }
            Step::Commit { live, routes } => {
                self.web.set_timers(live.config.http.as_ref().map(|http| http.timers).unwrap_or_default());
                self.in_engine(|engine, now| {
                    engine.store.configure(&live.config);
                    engine.shard.reload(Arc::clone(&live.config), routes, now, &mut engine.out);
                });
                self.live.replace(Rc::new(live));
            }
            Step::Finish => self.in_engine(|engine, now| engine.shard.finish_reload(now, &mut engine.out)),
        }
    }

    /// What this shard goes by now.
    #[must_use]
    pub fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }
}
