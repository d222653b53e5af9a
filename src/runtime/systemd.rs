//! What systemd is told (sd_notify(3)): ready, reloading, stopping, how it goes, and that every shard still turns. Said to nobody
//! where nobody asked for it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crate::runtime::health::{Health, Phase};
use crate::runtime::{clock, sys};

/// A manager that takes nothing for this long is not waited for.
const LONGEST_TELLING: Duration = Duration::from_secs(2);
/// How often it is told how it goes, where no watchdog asks for more.
const LOOK: Duration = Duration::from_secs(1);
/// A start that reads a large store is given so much more time, again and again.
const START_GOES_ON: Duration = Duration::from_secs(30);
/// And a drain so much more than its deadline.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

pub struct Systemd {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment says: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` when it is meant for this process.
    pub fn of_environment() -> Result<Self, String> {
        Self::of(|name| env::var_os(name), std::process::id())
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>, process: u32) -> Result<Self, String> {
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && is_for_us).map(Duration::from_micros);
        let Some(name) = variable("NOTIFY_SOCKET") else { return Ok(Self { socket: None, watchdog: None }) };
        let socket = connect(&name).map_err(|error| format!("NOTIFY_SOCKET {}: {error}", name.display()))?;
        Ok(Self { socket: Some(socket), watchdog })
    }

    /// Started, or done with a reload.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// The configuration is being read again; `ready` says that it was, also when nothing came of it.
    pub fn reloading(&self) {
        let now = sys::kernel_monotonic().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading"));
    }

    /// It drains, which takes so long at most.
    pub fn stopping(&self, drain: Duration) {
        let longest = (drain + AFTER_DRAIN).as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={longest}\nSTATUS=draining, for {drain:?} at most"));
    }

    /// Feeds the watchdog while every shard turns, and tells what is wrong, until the process ends.
    pub fn watch(self: &Arc<Self>, health: Arc<Health>) -> io::Result<()> {
        if self.socket.is_none() {
            return Ok(());
        }
        // Twice in its time is what it asks for; a thread may lie asleep for a while.
        let every = self.watchdog.map_or(LOOK, |watchdog| (watchdog / 4).min(LOOK));
        let systemd = Arc::clone(self);
        let watching = move || {
            let mut told = None;
            loop {
                systemd.look(&health, &mut told);
                clock::pause(every);
            }
        };
        std::thread::Builder::new().name("systemd".to_owned()).spawn(watching).map(drop)
    }

    /// One look; `told` is what was wrong at the last.
    fn look(&self, health: &Health, told: &mut Option<String>) {
        let phase = health.phase();
        let live = health.live();
        if matches!(phase, Phase::Starting | Phase::Recovering) && live.is_ok() {
            self.tell(&format!("EXTEND_TIMEOUT_USEC={}", START_GOES_ON.as_micros()));
        }
        if self.watchdog.is_some() && live.is_ok() {
            self.tell("WATCHDOG=1");
        }
        let wrong = live.and_then(|()| if phase == Phase::Draining { Ok(()) } else { health.ready() }).err();
        if wrong != *told {
            // A drain has said so itself.
            if wrong.is_some() || phase == Phase::Ready {
                self.tell(&format!("STATUS={}", one_line(wrong.as_deref().unwrap_or("serving"))));
            }
            *told = wrong;
        }
    }

    fn tell(&self, lines: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(lines.as_bytes()) {
            tracing::warn!(%error, "systemd cannot be told: {}", lines.lines().next().unwrap_or_default());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "must begin with / or @")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(LONGEST_TELLING))?;
    Ok(socket)
}

/// A line of its own would be another assignment.
fn one_line(status: &str) -> String {
    status.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// A manager in the abstract namespace, and what it gave us.
    fn managed(more: &[(&str, &str)]) -> (UnixDatagram, Systemd) {
        let name = format!("trunkline-{}-{:?}", std::process::id(), std::thread::current().id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_nonblocking(true).unwrap();
        let mut environment: HashMap<&str, OsString> = more.iter().map(|(key, value)| (*key, value.into())).collect();
        environment.insert("NOTIFY_SOCKET", format!("@{name}").into());
        let systemd = Systemd::of(|key| environment.get(key).cloned(), 7).unwrap();
        (manager, systemd)
    }

    /// Everything told since the last look; a datagram is there when it was sent.
    fn heard(manager: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 1_024];
        let next = || manager.recv(&mut buffer).ok().map(|length| String::from_utf8(buffer[..length].into()).unwrap());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_step_is_one_message_of_assignments() {
        let (manager, systemd) = managed(&[]);
        systemd.ready("serving\nREADY=0");
        assert_eq!(heard(&manager), ["READY=1\nSTATUS=serving READY=0"]);
        let before = sys::kernel_monotonic().as_micros();
        systemd.reloading();
        let told = heard(&manager).remove(0);
        let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().strip_suffix("\nSTATUS=reloading");
        assert!((before..=sys::kernel_monotonic().as_micros()).contains(&time.unwrap().parse().unwrap()), "{told}");
        systemd.stopping(Duration::from_secs(30));
        let expected = "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=draining, for 30s at most";
        assert_eq!(heard(&manager), [expected]);
    }

    #[test]
    fn the_watchdog_is_fed_only_while_every_shard_turns() {
        let (manager, systemd) = managed(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "7")]);
        let (health, mut told) = (Health::new(2), None);
        health.enter(Phase::Recovering);
        systemd.look(&health, &mut told);
        let recovering = "STATUS=starting: the store is being recovered, listeners are not open yet";
        assert_eq!(heard(&manager), ["EXTEND_TIMEOUT_USEC=30000000", "WATCHDOG=1", recovering]);
        health.enter(Phase::Ready);
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), ["STATUS=shard 0 never turned, shard 1 never turned"]);
        let turn = |shard| health.beat(shard, clock::monotonic_ns() + 600 * SECOND_NS);
        turn(0);
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), ["STATUS=shard 1 never turned"], "one that turns does not speak for the other");
        turn(1);
        systemd.look(&health, &mut told);
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), ["WATCHDOG=1", "STATUS=serving", "WATCHDOG=1"]);
        health.store_room(false);
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), ["WATCHDOG=1", "STATUS=the store is not writable: no room"]);
        health.fail("disk full");
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), ["STATUS=failed: disk full"]);
    }

    #[test]
    fn a_drain_is_fed_and_keeps_its_status() {
        let (manager, systemd) = managed(&[("WATCHDOG_USEC", "30000000")]);
        let (health, mut told) = (Health::new(0), None);
        health.enter(Phase::Draining);
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), ["WATCHDOG=1"]);
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_fed_and_without_a_manager_nobody_is_told() {
        let (manager, systemd) = managed(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "8")]);
        let (health, mut told) = (Health::new(0), None);
        health.enter(Phase::Ready);
        systemd.look(&health, &mut told);
        assert_eq!(heard(&manager), [""; 0]);
        let nobody = Systemd::of(|_| None, 7).unwrap();
        nobody.ready("serving");
        assert!(nobody.socket.is_none() && nobody.watchdog.is_none());
        for bad in ["relative", "/nonexistent/socket", ""] {
            let name = |key: &str| (key == "NOTIFY_SOCKET").then(|| bad.into());
            assert!(Systemd::of(name, 7).is_err_and(|error| error.starts_with("NOTIFY_SOCKET")), "{bad}");
        }
    }
}
