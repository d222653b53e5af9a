//! The tools: an SMSC simulator, a load generator, the check of their ledgers, a demonstration that puts the gateway between the
//! two, and a look into a gateway's store.
//!
//! They share nothing with the engine but `smpp`, so that a shared misreading cannot pass its own tests.

pub mod clock;
pub mod demo;
pub mod ids;
pub mod ledger;
pub mod load;
pub mod reconcile;
pub mod report;
pub mod ring;
pub mod smsc;
pub mod store;
pub mod values;
pub mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

/// How often an executor is woken from outside (`runtime::pulse`): a tool that stands still for a moment must not stand for ever.
const PULSE: Duration = Duration::from_millis(20);

/// A flag that SIGINT and SIGTERM raise; the second of them ends the process at once.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| format!("no signal handler: {error}"))?;
    }
    Ok(stop)
}

/// So many ports of this host, each another one, that were free a moment ago.
pub fn free_addresses<const N: usize>() -> std::io::Result<[SocketAddr; N]> {
    let mut held = Vec::new();
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for address in &mut addresses {
        // One that is let go may be drawn again at once.
        let listener = TcpListener::bind(*address)?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}

/// The arguments these flags mean, with the defaults of the command line.
pub fn from_flags<T: clap::Args>(flags: &str) -> Result<T, String> {
    let command = T::augment_args(clap::Command::new("flags").no_binary_name(true));
    let matches = command.try_get_matches_from(flags.split_whitespace()).map_err(|error| error.to_string())?;
    T::from_arg_matches(&matches).map_err(|error| error.to_string())
}
