//! Names looked up off the shard. All who ask for a name while it is being looked up wait for the same answer: a name server
//! that does not answer holds one thread for each name, however often it is asked for.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::runtime::handover::{Handover, on_a_thread};

/// What was found, or why nothing was.
type Found = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

/// How a name is looked up; it may block.
type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// The lookups of one shard.
pub struct Resolver {
    lookup: Lookup,
    /// As many names at once.
    most: usize,
    under_way: RefCell<Vec<(String, Arc<Handover<Found>>)>>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::with(|target| target.to_socket_addrs().map(Iterator::collect))
    }
}

impl Resolver {
    #[must_use]
    pub fn with(lookup: Lookup) -> Self {
        Self { lookup, most: usize::MAX, under_way: RefCell::default() }
    }

    /// Looks up only so many names at once, for those who may be told any number of them.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// The addresses of `host:port`.
    pub async fn addresses(&self, target: &str) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = target.parse() {
            return Ok(vec![address]);
        }
        let lookup = self.join(target)?;
        let found = lookup.look(|found| found.clone()).await;
        found.map_err(|(kind, why)| io::Error::new(kind, why))
    }

    /// The lookup of this name that is under way, or a new one.
    fn join(&self, target: &str) -> io::Result<Arc<Handover<Found>>> {
        let mut under_way = self.under_way.borrow_mut();
        // What was found when nobody waited any more is old.
        under_way.retain(|(_, lookup)| !lookup.is_given());
        if let Some((_, lookup)) = under_way.iter().find(|(name, _)| name == target) {
            return Ok(Arc::clone(lookup));
        }
        if under_way.len() >= self.most {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "too many names are being looked up"));
        }
        let (name, lookup) = (target.to_owned(), self.lookup);
        let lookup = on_a_thread("resolve", move || lookup(&name).map_err(|error| (error.kind(), error.to_string())))?;
        under_way.push((target.to_owned(), Arc::clone(&lookup)));
        Ok(lookup)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Condvar, Mutex};

    use futures_lite::future;
    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    static ASKED: AtomicU32 = AtomicU32::new(0);
    static IS_ANSWERING: Mutex<bool> = Mutex::new(false);
    static ANSWER: Condvar = Condvar::new();

    /// A name server that answers when it is told to.
    fn slow(_: &str) -> io::Result<Vec<SocketAddr>> {
        ASKED.fetch_add(1, Ordering::SeqCst);
        let mut is_answering = IS_ANSWERING.lock().unwrap();
        while !*is_answering {
            is_answering = ANSWER.wait(is_answering).unwrap();
        }
        Ok(vec!["192.0.2.1:2775".parse().unwrap()])
    }

    #[test]
    fn a_name_server_that_hangs_holds_one_thread_however_often_it_is_asked() {
        LocalExecutorBuilder::new(Placement::Unbound).make().unwrap().run(async {
            let resolver = Resolver::with(slow);
            for _ in 0..20 {
                assert!(future::poll_once(Box::pin(resolver.addresses("smsc.example:2775"))).await.is_none());
            }
            let ask = || resolver.addresses("smsc.example:2775");
            let answer = async {
                *IS_ANSWERING.lock().unwrap() = true;
                ANSWER.notify_all();
            };
            let ((one, other), ()) = future::zip(future::zip(ask(), ask()), answer).await;
            for found in [one, other] {
                assert_eq!(found.unwrap(), ["192.0.2.1:2775".parse().unwrap()]);
            }
            assert_eq!(ASKED.load(Ordering::SeqCst), 1);
            resolver.addresses("smsc.example:2775").await.unwrap();
            assert_eq!(ASKED.load(Ordering::SeqCst), 2, "what was found is not kept");
        });
    }

    #[test]
    fn only_so_many_names_are_looked_up_at_once() {
        let never = |_: &str| -> io::Result<Vec<SocketAddr>> {
            loop {
                std::thread::park();
            }
        };
        LocalExecutorBuilder::new(Placement::Unbound).make().unwrap().run(async move {
            let resolver = Resolver::with(never).at_most(2);
            for name in ["a.example:1", "b.example:1", "a.example:1"] {
                assert!(future::poll_once(Box::pin(resolver.addresses(name))).await.is_none());
            }
            let error = resolver.addresses("c.example:1").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        });
    }
}
