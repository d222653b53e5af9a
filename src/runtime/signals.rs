//! Signals, turned into values by one small thread: glommio has no signal handling of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit code of a drain that was cut short.
const EXIT_UNFINISHED: i32 = 1;

/// What the operator wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// SIGTERM or SIGINT: drain and end. The second of these ends the process at once.
    Terminate,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Notes a SIGHUP instead of ending with it, for the time before `watch`.
pub fn note_reload() -> io::Result<Arc<AtomicBool>> {
    let is_asked = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&is_asked))?;
    Ok(is_asked)
}

/// Hands every signal to `deliver`, on a thread of its own. Call it once, before any shard starts.
pub fn watch(mut deliver: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut terminating = false;
        for number in signals.forever() {
            match meaning(number, &mut terminating) {
                Some(signal) => deliver(signal),
                None => {
                    tracing::warn!("a second signal: ended at once, whatever is outstanding");
                    std::process::exit(EXIT_UNFINISHED)
                }
            }
        }
    })?;
    Ok(())
}

/// `None`: the operator has asked twice and will not wait.
fn meaning(number: i32, terminating: &mut bool) -> Option<Signal> {
    if number == SIGHUP {
        return Some(Signal::Reload);
    }
    if std::mem::replace(terminating, true) { None } else { Some(Signal::Terminate) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_second_termination_does_not_wait() {
        let mut terminating = false;
        assert_eq!(meaning(SIGHUP, &mut terminating), Some(Signal::Reload));
        assert_eq!(meaning(SIGINT, &mut terminating), Some(Signal::Terminate));
        assert_eq!(meaning(SIGHUP, &mut terminating), Some(Signal::Reload), "a reload is no second termination");
        assert_eq!(meaning(SIGTERM, &mut terminating), None);
    }

    #[test]
    fn signals_of_the_process_arrive_as_values() {
        let (send, receive) = mpsc::channel();
        watch(move |signal| send.send(signal).unwrap()).unwrap();
        for (number, signal) in [(SIGHUP, Signal::Reload), (SIGTERM, Signal::Terminate)] {
            signal_hook::low_level::raise(number).unwrap();
            assert_eq!(receive.recv_timeout(Duration::from_secs(10)), Ok(signal));
        }
    }
}
