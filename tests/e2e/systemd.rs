//! systemd's part played by a test: it is told of each step, feeds on every shard that turns, and keeps the listening socket open
//! from one process to the next.
#![allow(unsafe_code, reason = "stopping one thread of a child is ptrace's, which the standard library does not know")]

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::gateway::{Directory, Gateway, http, run};
use crate::peer::{PATIENCE, Peer, ROK, RSYSERR, bind_octets};
use crate::reload::wait_until;

const SIGHUP: i32 = 1;
const SIGTERM: i32 = 15;

const CONFIG: &str = r#"
accounts:
  acme: { password: secret, shard: 1, max_binds: 1000 }
carriers:
  north: { connect: "127.0.0.1:1", system_id: us, password: secret, shard: 0 }
routes:
  - to: north
"#;

/// What the service manager is told.
struct Manager {
    socket: UnixDatagram,
    directory: Directory,
}

impl Manager {
    fn new() -> Self {
        let directory = Directory::new();
        let socket = UnixDatagram::bind(directory.0.join("notify")).unwrap();
        Self { socket, directory }
    }

    fn start(&self, watchdog: Duration) -> Gateway {
        let path = self.directory.0.join("notify");
        Gateway::start_by(CONFIG, |program, _| {
            program.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", watchdog.as_micros().to_string()).spawn().unwrap()
        })
    }

    /// The next message, if there is one within this time.
    fn told(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 4_096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message that begins with this; what came before it is passed over.
    fn expect(&self, beginning: &str) -> String {
        let give_up = Instant::now() + PATIENCE;
        while let Some(told) =
            self.told(give_up.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
        {
            if told.starts_with(beginning) {
                return told;
            }
        }
        panic!("{beginning} was never said");
    }
}

#[test]
fn the_manager_is_told_of_each_step_and_fed_all_the_time() {
    let manager = Manager::new();
    let mut gateway = manager.start(Duration::from_millis(400));
    assert_eq!(manager.expect("READY=1"), "READY=1\nSTATUS=serving");
    assert!(http(gateway.admin, "/readyz").unwrap().starts_with("HTTP/1.1 200"));
    for _ in 0..3 {
        assert_eq!(manager.expect("WATCHDOG"), "WATCHDOG=1");
    }
    gateway.signal(SIGHUP);
    let reloading = manager.expect("RELOADING=1\nMONOTONIC_USEC=");
    let usec = reloading.lines().nth(1).and_then(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse::<u64>().ok());
    // Seconds since the host began, which is when that clock did.
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(usec.is_some_and(|usec| usec as f64 <= (uptime + 1.0) * 1e6), "{reloading}");
    manager.expect("READY=1");
    manager.expect("WATCHDOG");
    gateway.signal(SIGTERM);
    assert_eq!(
        manager.expect("STOPPING=1"),
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000\nSTATUS=draining, for 30s at most"
    );
    assert_eq!(gateway.exit_code(PATIENCE), 0, "{}", gateway.log());
}

#[test]
fn a_reload_that_comes_during_the_drain_does_not_make_it_ready_again() {
    let manager = Manager::new();
    let mut gateway = manager.start(Duration::from_secs(20));
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    gateway.signal(SIGTERM);
    manager.expect("STOPPING=1");
    // It goes on until this is answered.
    let goodbye = acme.expect(CommandId::UNBIND);
    gateway.signal(SIGHUP);
    wait_until("the refusal is logged", || gateway.log().contains("configuration not reloaded"));
    acme.answer(&goodbye, ROK, b"");
    assert_eq!(gateway.exit_code(PATIENCE), 0, "{}", gateway.log());
    while let Some(told) = manager.told(Duration::from_millis(1)) {
        assert!(!told.starts_with("READY") && !told.starts_with("RELOADING"), "{told}");
    }
}

#[test]
fn a_reload_that_comes_during_the_start_is_done_once_it_is_ready() {
    let manager = Manager::new();
    let mut gateway = manager.start(Duration::from_secs(20));
    // Another waits for the store, ten seconds at most.
    let file = gateway.directory.0.join("trunkline.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let [smpp, admin] = trunkline::tools::free_addresses().unwrap();
    let text = text
        .replace(&gateway.smpp.to_string(), &smpp.to_string())
        .replace(&gateway.admin.to_string(), &admin.to_string());
    let file = gateway.directory.write("second.yaml", &text);
    let log = gateway.directory.0.join("second.log");
    let mut second = crate::gateway::command(&["serve", "--config", file.to_str().unwrap()]);
    let mut second = second.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let said = |what: &str| fs::read_to_string(&log).unwrap().contains(what);
    let descriptors = format!("/proc/{}/fd", second.id());
    let is_lock = |path: PathBuf| fs::read_link(path).is_ok_and(|path| path.ends_with("store/lock"));
    wait_until("it waits for the store", || {
        fs::read_dir(&descriptors).unwrap().flatten().any(|descriptor| is_lock(descriptor.path()))
    });
    // SAFETY: kill takes two numbers and touches no memory of ours.
    unsafe { libc::kill(second.id().cast_signed(), SIGHUP) };
    gateway.signal(9);
    gateway.exit_code(PATIENCE);
    wait_until("it is ready and reloads", || said("ready shards=") && said("configuration reloaded"));
    let reloaded = fs::read_to_string(&log).unwrap();
    assert!(reloaded.find("ready shards=") < reloaded.find("configuration reloaded"), "{reloaded}");
    second.kill().unwrap();
    second.wait().unwrap();
}

/// Stops one thread of a child; `None` where that is forbidden.
struct Stopped(i32);

impl Stopped {
    fn stop(thread: i32) -> Option<Self> {
        // SAFETY: a system call on the number of a thread; it touches no memory of ours.
        if unsafe { libc::ptrace(libc::PTRACE_ATTACH, thread, 0, 0) } != 0 {
            return None;
        }
        let mut status = 0;
        // SAFETY: writes one status; the thread is stopped when it returns.
        assert_eq!(unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) }, thread);
        Some(Self(thread))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // SAFETY: as above; the thread goes on.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, 0, 0) };
    }
}

/// The thread of one shard: glommio numbers them.
fn a_shard_of(process: u32) -> i32 {
    let is_shard = |comm: &str| comm.trim().strip_prefix("shard-").is_some_and(|number| number.parse::<u32>().is_ok());
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let mut shards =
        tasks.filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| is_shard(&comm)));
    shards.find_map(|task| task.file_name().to_str()?.parse().ok()).expect("a shard's thread")
}

#[test]
fn the_watchdog_starves_while_one_shard_hangs_though_the_others_turn() {
    let manager = Manager::new();
    let gateway = manager.start(Duration::from_secs(2));
    manager.expect("WATCHDOG");
    let Some(stopped) = Stopped::stop(a_shard_of(gateway.child.as_ref().unwrap().id())) else {
        eprintln!("skipped: threads of a child may not be stopped here");
        return;
    };
    let status = manager.expect("STATUS=shard ");
    assert!(status.contains(" has not turned for "), "{status}");
    // The other one turns, and the admin listener answers.
    assert!(http(gateway.admin, "/livez").unwrap().starts_with("HTTP/1.1 503"));
    let give_up = Instant::now() + Duration::from_secs(3);
    while let Some(told) = manager.told(give_up.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
    {
        assert_ne!(told, "WATCHDOG=1", "fed while a shard hangs");
        if Instant::now() >= give_up {
            break;
        }
    }
    drop(stopped);
    manager.expect("WATCHDOG");
}

/// Starts the program as systemd does, with the listening socket as descriptor 3.
fn hand_over(program: &Command, listener: &TcpListener, name: &str) -> Child {
    let script = r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program.get_program()).args(program.get_args()).env("LISTEN_FDNAMES", name);
    let log = fs::File::options().append(true).open(log_of(program)).unwrap();
    shell.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap()))).stdout(Stdio::null()).stderr(log);
    shell.spawn().unwrap()
}

/// Beside the configuration.
fn log_of(program: &Command) -> PathBuf {
    let file = program.get_args().last().unwrap();
    Path::new(file).with_file_name("stderr")
}

#[test]
fn nobody_is_refused_while_one_process_goes_and_the_next_comes() {
    let mut held = None;
    let mut gateway = Gateway::start_by(CONFIG, |program, address| {
        hand_over(program, held.insert(TcpListener::bind(address).unwrap()), "smpp")
    });
    let listener = held.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let customers = thread::spawn({
        let (is_over, address) = (Arc::clone(&is_over), gateway.smpp);
        move || come_until(&is_over, address)
    });
    let mut early = gateway.connect();
    assert_eq!(early.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    for _ in 0..2 {
        gateway.signal(SIGTERM);
        assert_eq!(gateway.exit_code(PATIENCE), 0, "{}", gateway.log());
        // Nobody is there to accept, and still nobody is refused.
        let waiting = thread::spawn({
            let mut late = gateway.connect();
            move || late.bind(BindMode::Transceiver, "acme", "secret").status
        });
        gateway.restart_by(|program| hand_over(program, &listener, "smpp"));
        assert_eq!(waiting.join().unwrap(), ROK);
    }
    is_over.store(true, Ordering::Relaxed);
    let (bound, refused) = customers.join().unwrap();
    // Who was taken just before the drain is told to go; who came later waited.
    assert!(bound > 0 && refused <= 4, "{bound} bound, {refused} refused");
}

/// Binds again and again; how often that went well, and how often it was refused: with ESME_RSYSERR, or closed before it was read.
fn come_until(is_over: &AtomicBool, address: SocketAddr) -> (u32, u32) {
    let (mut bound, mut refused) = (0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let mut customer = Peer::connect(address);
        customer.send(&bind_octets(BindMode::Transceiver, "acme", "secret", 1));
        match customer.read().map(|answer| answer.status) {
            Some(ROK) => bound += 1,
            Some(RSYSERR) | None => refused += 1,
            Some(other) => panic!("bind: {other:#x}"),
        }
    }
    (bound, refused)
}

#[test]
fn what_is_packaged_fits_together() {
    let packaged = |name: &str| format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let socket = fs::read_to_string(packaged("systemd/trunkline.socket")).unwrap();
    let address = socket.lines().find_map(|line| line.strip_prefix("ListenStream=")).unwrap();
    let (code, summary, _) = run(&["check", "--config", &packaged("config/trunkline.yaml")]);
    assert_eq!(code, 0, "{summary}");
    assert!(summary.contains(&format!("SMPP on {address}\n")), "{summary}");
    let service = fs::read_to_string(packaged("systemd/trunkline.service")).unwrap();
    let state = service.lines().find_map(|line| line.strip_prefix("StateDirectory=")).unwrap();
    assert!(summary.contains(&format!("store /var/lib/{state}\n")), "{summary}");
    let manifest = fs::read_to_string(packaged("Cargo.toml")).unwrap();
    assert!(manifest.contains(r#"["config/trunkline.yaml", "etc/trunkline/trunkline.yaml", "640"]"#));
    assert!(service.contains("ExecStart=/usr/bin/trunkline serve --config /etc/trunkline/trunkline.yaml\n"));
}

#[test]
fn a_socket_that_the_configuration_does_not_name_ends_the_start() {
    let directory = Directory::new();
    let [own, admin] = trunkline::tools::free_addresses().unwrap();
    let yaml =
        format!("shards: 1\nstore: {{ path: store }}\nsmpp: {{ listen: \"{own}\" }}\nadmin: {{ listen: \"{admin}\" }}");
    let file = directory.write("trunkline.yaml", &yaml);
    fs::write(directory.0.join("stderr"), "").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = crate::gateway::command(&["serve", "--config", file.to_str().unwrap()]);
    let mut child = hand_over(&program, &other, "smpp");
    assert_eq!(child.wait().unwrap().code(), Some(71));
    let log = fs::read_to_string(log_of(&program)).unwrap();
    let expected = format!("handed over and not listened on: {} (smpp);", other.local_addr().unwrap());
    assert!(log.lines().last().unwrap().starts_with(&expected), "{log}");
}
