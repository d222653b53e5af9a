//! The daemon: what is opened in which order, the shards on their cores, and how it ends.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_lite::future;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement as CorePlacement, PoolPlacement};

use crate::config::{Config, Durability, TlsListener};
use crate::engine::event::Input;
use crate::engine::placement::Placement;
use crate::engine::shard::Seeds;
use crate::metrics;
use crate::runtime::admin_carriers::Carriers;
use crate::runtime::control::{Control, End, Shared, Stage};
use crate::runtime::disk::Disk;
use crate::runtime::health::{Health, Phase};
use crate::runtime::ids::IdStore;
use crate::runtime::listener::{Dealer, Listener};
use crate::runtime::mailbox::Mailboxes;
use crate::runtime::mesh::{self, Ends, Speaks};
use crate::runtime::opening::{self, Opened};
use crate::runtime::opt_out::{self, OptOuts};
use crate::runtime::passwords::Passwords;
use crate::runtime::publish::Publisher;
use crate::runtime::pulse::Pulse;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::signals::{self, Signal};
use crate::runtime::web_accounts::WebAccounts;
use crate::runtime::{admin, clock, logging, socket, sys, tls};

/// Exit codes (DESIGN section 5).
pub const EXIT_UNFINISHED: i32 = 1;
pub const EXIT_FAULT: i32 = 70;
pub const EXIT_UNAVAILABLE: i32 = 71;
pub const EXIT_STORE: i32 = 74;
pub const EXIT_CONFIG: i32 = 78;

/// How often each shard looks after itself: heartbeat, drain, half-sent PDUs.
const UPKEEP: Duration = Duration::from_millis(50);
const UPKEEPS_A_SECOND: u32 = 20;
/// A PDU whose rest is out for longer is not coming.
const LONGEST_PDU_WAIT: Duration = Duration::from_secs(10);
/// A shard that has begun meets the others within this time.
const MEETING: Duration = Duration::from_secs(10);
/// An executor that has not begun by then lies asleep, and another is tried.
const START_PATIENCE: Duration = Duration::from_millis(500);
const START_TRIES: u32 = 20;
const IO_MEMORY: usize = 64 << 10;
/// Longer than the kernel commonly leaves a thread without a core: glommio 0.9.0 goes to sleep with work at hand when this runs out
/// before it began, and then only the next upkeep wakes it.
const PREEMPT: Duration = Duration::from_millis(5);

/// What stopped it, and the exit code for that.
#[derive(Debug)]
pub struct Failure {
    pub exit_code: i32,
    pub message: String,
}

impl Failure {
    fn new(exit_code: i32, error: impl ToString) -> Self {
        Self { exit_code, message: error.to_string() }
    }
}

/// Serves until a signal ends it and everything is drained.
pub fn serve(config: Config) -> Result<(), Failure> {
    let tls = tls::open(&config).map_err(|problems| Failure::new(EXIT_CONFIG, problems.join("\n")))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = config.shards.map_or(cores, |shards| usize::from(shards.get()));
    // One more ring for the admin listener.
    sys::preflight(shards as u32 + 1).map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    let ids = IdStore::open(&config.store.path).map_err(|error| Failure::new(EXIT_STORE, error))?;
    let listeners = listen_all(&config)?;
    let admin_listener = listen(config.admin.listen)?;
    let sockets = listeners.iter().map(|listener| &listener.socket).chain([&admin_listener]);
    let listens = sockets.map(TcpListener::local_addr).collect::<Result<_, _>>();
    let listens = listens.map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;

    let health = Arc::new(Health::new(shards as u16));
    let (end, ended) = mpsc::channel();
    let config = Arc::new(config);
    let web_accounts = WebAccounts::new(&config);
    let passwords = Passwords::start(&config).map_err(|error| Failure::new(EXIT_FAULT, error))?;
    let shared = Arc::new(Shared {
        config,
        health: Arc::clone(&health),
        ids: Arc::new(ids),
        tls: tls.clients,
        callback_tls: tls.callbacks,
        tls_server: tls.smpp,
        tls_web: tls.http,
        web_accounts,
        passwords,
        control: Control::new(shards, end),
        mailboxes: Arc::new(Mailboxes::new(shards)),
        opt_outs: OptOuts::new(shards),
        listens,
    });
    watch_signals(&shared)?;
    let prometheus = metrics::install().map_err(|error| Failure::new(EXIT_FAULT, error))?;
    metrics::publish_build(env!("CARGO_PKG_VERSION"), durability(&shared.config));
    let token = shared.config.admin.token.clone();
    let carriers = Carriers::new(Arc::clone(&shared.config), Arc::clone(&shared.mailboxes));
    let admin_thread = admin::start(admin_listener, health, prometheus, token, carriers)
        .map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    start_shards(&shared, shards, cores, listeners)?;
    shared.health.enter(Phase::Ready);
    tracing::info!(
        shards,
        accounts = shared.config.accounts.len(),
        carriers = shared.config.carriers.len(),
        listen = ?shared.config.smpp.listen,
        http = ?shared.config.http.as_ref().map_or(&[][..], |http| &http.listen),
        tls = ?shared.config.smpp.tls.as_ref().map_or(&[][..], |tls| &tls.listen),
        admin = %shared.config.admin.listen,
        durability = durability(&shared.config),
        "ready"
    );
    let result = wait(&shared, &ended);
    drop(admin_thread);
    result
}

/// What an acknowledgement survives.
fn durability(config: &Config) -> &'static str {
    match config.store.durability {
        Durability::Fsync => "fsync",
        Durability::Process => "process",
    }
}

/// SMPP, then HTTP; each in clear, then over TLS.
fn listen_all(config: &Config) -> Result<Vec<Listener>, Failure> {
    let over_tls = |tls: &Option<TlsListener>| tls.as_ref().map(|tls| tls.listen.clone()).unwrap_or_default();
    let (smpp, http) = (&config.smpp, config.http.as_ref());
    let groups = [
        (smpp.listen.clone(), false, Speaks::Smpp),
        (over_tls(&smpp.tls), true, Speaks::Smpp),
        (http.map(|http| http.listen.clone()).unwrap_or_default(), false, Speaks::Http),
        (http.map(|http| over_tls(&http.tls)).unwrap_or_default(), true, Speaks::Http),
    ];
    let mut listeners = Vec::new();
    for (addresses, is_tls, speaks) in groups {
        for address in addresses {
            listeners.push(Listener { socket: listen(address)?, is_tls, speaks });
        }
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    socket::listen_once_free(address).map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))
}

fn watch_signals(shared: &Arc<Shared>) -> Result<(), Failure> {
    let told = Arc::clone(shared);
    signals::watch(move |signal| match signal {
        Signal::Terminate => told.control.end(End::Asked),
        Signal::Reload => tracing::warn!("SIGHUP: reloading the configuration is not built yet; nothing changed"),
    })
    .map_err(|error| Failure::new(EXIT_FAULT, format!("cannot watch signals: {error}")))
}

/// Waits for a signal, then for the drain; an inner failure ends it at once.
fn wait(shared: &Shared, ended: &Receiver<End>) -> Result<(), Failure> {
    match ended.recv() {
        Ok(End::Failed(exit_code, message)) => return Err(Failure { exit_code, message }),
        Ok(End::Asked | End::Drained) | Err(_) => {}
    }
    tracing::info!(deadline = ?shared.config.drain, "draining");
    shared.health.enter(Phase::Draining);
    shared.control.drain();
    match ended.recv_timeout(shared.config.drain) {
        Ok(End::Drained) => {
            tracing::info!("drained");
            Ok(())
        }
        Ok(End::Failed(exit_code, message)) => Err(Failure { exit_code, message }),
        Ok(End::Asked) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(Failure::new(EXIT_UNFINISHED, "the drain did not finish within its deadline"))
        }
    }
}

fn start_shards(shared: &Arc<Shared>, shards: usize, cores: usize, listeners: Vec<Listener>) -> Result<(), Failure> {
    let placement = Placement::new(&shared.config, shards);
    opt_out::watch(shared, &placement).map_err(|error| Failure::new(EXIT_FAULT, error))?;
    let pulse = Pulse::start(shards, UPKEEP).map_err(|error| Failure::new(EXIT_FAULT, format!("no pulse: {error}")))?;
    let mut listeners = Some(listeners);
    let seeds = (0..shards).map(|_| draw_seeds(shared)).collect::<Result<_, _>>()?;
    let opened = opening::open(&shared.config, &placement, seeds);
    let opened = opened.map_err(|error| Failure::new(EXIT_STORE, error))?;
    let (started, all_started) = mpsc::channel();
    let (begun, all_begun) = mpsc::channel();
    let mut waiting = Vec::new();
    for (index, (ends, opened)) in mesh::ends(shards).into_iter().zip(opened).enumerate() {
        let listeners = if index == 0 { listeners.take().unwrap_or_default() } else { Vec::new() };
        let (shared, started, pulse) = (Arc::clone(shared), started.clone(), Arc::clone(&pulse));
        let start = Start { opened, shards, ends, listeners, shared, started, pulse };
        // With a core for each, a shard stays on its own; otherwise the kernel knows better.
        let core = if shards <= cores { CorePlacement::Fixed(index) } else { CorePlacement::Unbound };
        waiting.push((index, core, Arc::new(Mutex::new(Some(start)))));
    }
    for _ in 0..START_TRIES {
        waiting.retain(|(_, _, start)| lock(start).is_some());
        let tried = waiting.len();
        for (index, core, start) in &waiting {
            start_executor(*index, core.clone(), Arc::clone(start), begun.clone())?;
        }
        let has_begun = |_| all_begun.recv_timeout(START_PATIENCE).is_ok();
        if (0..tried).all(has_begun) {
            break;
        }
    }
    for _ in 0..shards {
        all_started.recv_timeout(MEETING).map_err(|_| Failure::new(EXIT_FAULT, "a shard did not start"))?;
    }
    Ok(())
}

/// Starts an executor that takes the shard and runs it. An executor may park before it ran its first task, which is the one case
/// that the pulse cannot reach (`pulse`): then another one takes the shard.
fn start_executor(
    index: usize,
    core: CorePlacement,
    start: Arc<Mutex<Option<Start>>>,
    begun: mpsc::Sender<()>,
) -> Result<(), Failure> {
    // One for what the commits wait for, one for what need not hurry, and one for the files of call detail records.
    let has_cdr = lock(&start).as_ref().is_some_and(|start| start.shared.config.cdr.is_some());
    let threads = if has_cdr { 3 } else { 2 };
    let run = move || async move {
        let Some(start) = lock(&start).take() else { return };
        let _ = begun.send(());
        run_shard(start).await;
    };
    let thread = LocalExecutorBuilder::new(core)
        .name("shard")
        .io_memory(IO_MEMORY)
        .preempt_timer(PREEMPT)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(threads))
        .spawn(run)
        .map_err(|error| Failure::new(EXIT_UNAVAILABLE, format!("cannot start shard {index}: {error}")))?;
    end_with(thread, index)
}

fn lock(start: &Mutex<Option<Start>>) -> MutexGuard<'_, Option<Start>> {
    start.lock().unwrap_or_else(PoisonError::into_inner)
}

fn draw_seeds(shared: &Shared) -> Result<Seeds, Failure> {
    let unix_seconds = clock::since_unix_epoch().as_secs().saturating_sub(clock::monotonic_ns() / 1_000_000_000);
    let ids = shared.ids.reserve().map_err(|error| Failure::new(EXIT_STORE, error))?;
    Ok(Seeds { random: draw()?, id_key: shared.ids.key(), ids, first_key: 0, unix_seconds })
}

fn draw() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::new(EXIT_FAULT, format!("cannot draw a seed: {error}")))
}

/// A shard that unwinds takes the process with it: the state of its engine can no longer be trusted. Its tasks are leaked,
/// not dropped, so nothing on the shard itself could tell: a thread that joins it does.
fn end_with(shard: ExecutorJoinHandle<()>, index: usize) -> Result<(), Failure> {
    let end = move || {
        if shard.join().is_err() {
            eprintln!("shard {index} panicked: this is a fault of the program");
            std::process::exit(EXIT_FAULT);
        }
    };
    let watch = std::thread::Builder::new().name("shard-end".to_owned()).spawn(end);
    watch.map(drop).map_err(|error| Failure::new(EXIT_FAULT, format!("cannot watch shard {index}: {error}")))
}

/// What a shard begins with.
struct Start {
    opened: Opened,
    shards: usize,
    ends: Ends,
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    started: mpsc::Sender<()>,
    pulse: Arc<Pulse>,
}

async fn run_shard(start: Start) {
    let Start { opened: Opened { mut engine, files, cdr }, shards, ends, listeners, shared, started, pulse } = start;
    let publisher = Publisher::new(&mut engine.shard, &shared.config);
    let connecting = ends.connect();
    let beats = async {
        loop {
            pulse.next(engine.shard.id.index()).await;
        }
    };
    let (mesh, receivers) = future::or(connecting, beats).await;
    let disk = Disk::new(files, shared.config.store.durability);
    let shard = ShardLoop::new(engine, disk, mesh, shared);
    shard.start(receivers);
    if let Some(files) = cdr {
        shard.start_cdr(files);
    }
    let dealer = Dealer::new(shards);
    for listener in listeners {
        glommio::spawn_local(Rc::clone(&dealer).accept(Rc::clone(&shard), listener)).detach();
    }
    // Ready means that /livez says so too.
    shard.shared.health.beat(shard.id.0, clock::monotonic_ns());
    let _ = started.send(());
    look_after(&shard, &publisher, &pulse).await;
}

async fn look_after(shard: &Rc<ShardLoop>, publisher: &Publisher, pulse: &Pulse) {
    let mut stage = Stage::Serving;
    for round in 0_u32.. {
        pulse.next(shard.id.index()).await;
        shard.shared.health.beat(shard.id.0, clock::monotonic_ns());
        shard.send_backlog();
        shard.commit_idle();
        shard.read_mail();
        shard.web.tick(clock::monotonic_ns());
        shard.go_on_draining_web();
        let asked = shard.shared.control.stage();
        if asked > stage {
            // One stage at a time, so that none is skipped when both were asked for since the last look.
            stage = if stage == Stage::Serving { Stage::Carriers } else { Stage::Sessions };
            shard.web.drain();
            shard.handle(if stage == Stage::Carriers { Input::DrainCarriers } else { Input::DrainSessions });
        } else if stage != Stage::Serving {
            shard.handle(Input::Timeout);
        }
        if round % UPKEEPS_A_SECOND == 0 {
            shard.end_partial(LONGEST_PDU_WAIT);
            shard.web.sweep();
            shard.take_opt_outs();
            shard.posting.close_idle();
            if shard.id.0 == 0 {
                logging::tell_untold(clock::monotonic_ns());
            }
            shard.handle(Input::Clock { unix_seconds: clock::since_unix_epoch().as_secs() });
            shard.in_engine(|engine, _| {
                engine.store.measure(&mut engine.shard);
                publisher.publish(&mut engine.shard);
            });
        }
    }
}
