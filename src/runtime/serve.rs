//! The daemon: what is opened in which order, the shards on their cores, and how it ends.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_lite::future;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement as CorePlacement, PoolPlacement};

use crate::config::{Config, Durability};
use crate::engine::event::Input;
use crate::engine::placement::Placement;
use crate::engine::shard::Seeds;
use crate::metrics;
use crate::runtime::admin::shards::Shards;
use crate::runtime::control::{Control, End, Shared, Stage};
use crate::runtime::disk::Disk;
use crate::runtime::health::{Health, Phase};
use crate::runtime::ids::IdStore;
use crate::runtime::inherited::Inherited;
use crate::runtime::listener::{self, Dealer, Listener};
use crate::runtime::live::{Current, Live};
use crate::runtime::mailbox::Mailboxes;
use crate::runtime::mesh::{self, Ends};
use crate::runtime::opening::{self, LeftOver, Opened};
use crate::runtime::opt_out::{self, OptOuts};
use crate::runtime::publish::Publisher;
use crate::runtime::pulse::Pulse;
use crate::runtime::reload::{Reloads, Running};
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::signals::{self, Signal};
use crate::runtime::systemd::Systemd;
use crate::runtime::{admin, clock, logging, reload, socket, sys};

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

/// Serves until a signal ends it and everything is drained. The file is what a reload reads again, one that was asked for by now too.
pub fn serve(config: Config, file: &Path, is_reload_asked: &AtomicBool) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = config.shards.map_or(cores, |shards| usize::from(shards.get()));
    // One more ring for the admin listener.
    sys::preflight(shards as u32 + 1).map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    let health = Arc::new(Health::new(shards as u16));
    let systemd = Systemd::of_environment().map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    let systemd = Arc::new(systemd);
    systemd.watch(Arc::clone(&health)).map_err(|error| Failure::new(EXIT_FAULT, error))?;
    let ids = IdStore::open(&config.store.path).map_err(|error| Failure::new(EXIT_STORE, error))?;
    let unavailable = |error| Failure::new(EXIT_UNAVAILABLE, error);
    let mut inherited = Inherited::of_environment().map_err(unavailable)?;
    let listeners = Listener::open_all(&config, &mut inherited);
    let listeners = listeners.map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    inherited.finish().map_err(unavailable)?;
    let inherited = listeners.iter().filter(|listener| listener.is_inherited);
    let inherited: Vec<_> = inherited.filter_map(|listener| listener.socket.local_addr().ok()).collect();
    let admin_listener = socket::listen_once_free(config.admin.listen);
    let admin_listener = admin_listener.map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    let sockets = listeners.iter().map(|listener| &listener.socket).chain([&admin_listener]);
    let listens = sockets.map(TcpListener::local_addr).collect::<Result<_, _>>();
    let listens = listens.map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;

    let own = listeners.iter().filter(|listener| !listener.is_inherited);
    let own = own.map(|listener| listener.socket.try_clone()).collect::<Result<_, _>>();
    let own = own.map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;

    let (end, ended) = mpsc::channel();
    let live = Live::open(config, None).map_err(|problems| Failure::new(EXIT_CONFIG, problems.join("\n")))?;
    let config = Arc::clone(&live.config);
    let (reloads, asked) = Reloads::new();
    let exporter = metrics::install().map_err(|error| Failure::new(EXIT_FAULT, error))?;
    let shared = Arc::new(Shared {
        current: Current::new(Arc::clone(&config)),
        reloads,
        health: Arc::clone(&health),
        ids: Arc::new(ids),
        control: Control::new(shards, end, own),
        systemd,
        mailboxes: Arc::new(Mailboxes::new(shards)),
        exporter: exporter.clone(),
        opt_outs: OptOuts::new(shards),
        listens,
    });
    watch_signals(&shared)?;
    if is_reload_asked.load(Relaxed) {
        shared.reloads.ask();
    }
    metrics::publish_build(env!("CARGO_PKG_VERSION"), durability(&config));
    let asking = Shards::new(Arc::clone(&shared.current), Arc::clone(&shared.mailboxes));
    let admin_thread = admin::start(admin_listener, health, exporter, asking, shared.reloads.clone())
        .map_err(|error| Failure::new(EXIT_UNAVAILABLE, error))?;
    let placement = Placement::new(&config, shards);
    let left_over = start_shards(&shared, &live, &placement, cores, listeners)?;
    shared.health.enter(Phase::Ready);
    tracing::info!(
        shards,
        accounts = config.accounts.len(),
        carriers = config.carriers.len(),
        listen = ?config.smpp.listen,
        http = ?config.http.as_ref().map_or(&[][..], |http| &http.listen),
        tls = ?config.smpp.tls.as_ref().map_or(&[][..], |tls| &tls.listen),
        admin = %config.admin.listen,
        durability = durability(&config),
        "ready"
    );
    shared.systemd.ready("serving");
    let running = Running { live, placement, left_over };
    reload::start(asked, file.to_owned(), &shared, running).map_err(|error| Failure::new(EXIT_FAULT, error))?;
    let result = wait(&shared, &ended, &inherited);
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

fn watch_signals(shared: &Arc<Shared>) -> Result<(), Failure> {
    let told = Arc::clone(shared);
    signals::watch(move |signal| match signal {
        Signal::Terminate => told.control.end(End::Asked),
        Signal::Reload => told.reloads.ask(),
    })
    .map_err(|error| Failure::new(EXIT_FAULT, format!("cannot watch signals: {error}")))
}

/// Waits for a signal, then for the drain; an inner failure ends it at once.
fn wait(shared: &Shared, ended: &Receiver<End>, inherited: &[SocketAddr]) -> Result<(), Failure> {
    match ended.recv() {
        Ok(End::Failed(exit_code, message)) => return Err(Failure { exit_code, message }),
        Ok(End::Asked | End::Drained) | Err(_) => {}
    }
    let deadline = shared.current.get().drain;
    tracing::info!(?deadline, "draining");
    shared.health.enter(Phase::Draining);
    shared.systemd.stopping(deadline);
    shared.control.drain();
    for address in inherited {
        if let Err(error) = listener::wake(*address, &shared.control) {
            tracing::warn!(%error, %address, "one more connection is taken there than should be");
        }
    }
    match ended.recv_timeout(deadline) {
        Ok(End::Drained) => {
            tracing::info!("drained");
            Ok(())
        }
        Ok(End::Failed(exit_code, message)) => Err(Failure { exit_code, message }),
        Ok(End::Asked) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            let left = shared.control.unfinished();
            Err(Failure::new(EXIT_UNFINISHED, format!("the drain did not finish within its deadline: {left}")))
        }
    }
}

fn start_shards(
    shared: &Arc<Shared>,
    live: &Live,
    placement: &Placement,
    cores: usize,
    listeners: Vec<Listener>,
) -> Result<LeftOver, Failure> {
    let shards = placement.shards();
    opt_out::watch(shared, &live.config, placement).map_err(|error| Failure::new(EXIT_FAULT, error))?;
    let pulse = Pulse::start(shards, UPKEEP).map_err(|error| Failure::new(EXIT_FAULT, format!("no pulse: {error}")))?;
    let mut listeners = Some(listeners);
    let seeds = (0..shards).map(|_| draw_seeds(shared)).collect::<Result<_, _>>()?;
    let opened = opening::open(&live.config, placement, seeds);
    let (opened, left_over) = opened.map_err(|error| Failure::new(EXIT_STORE, error))?;
    let (started, all_started) = mpsc::channel();
    let (begun, all_begun) = mpsc::channel();
    let mut waiting = Vec::new();
    for (index, (ends, opened)) in mesh::ends(shards).into_iter().zip(opened).enumerate() {
        let listeners = if index == 0 { listeners.take().unwrap_or_default() } else { Vec::new() };
        let (shared, started, pulse) = (Arc::clone(shared), started.clone(), Arc::clone(&pulse));
        let live = live.clone();
        let start = Start { opened, shards, ends, listeners, shared, live, started, pulse };
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
    Ok(left_over)
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
    let has_cdr = lock(&start).as_ref().is_some_and(|start| start.live.config.cdr.is_some());
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
            // Whoever reads it may be gone.
            let _ = writeln!(std::io::stderr(), "shard {index} panicked: this is a fault of the program");
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
    live: Live,
    started: mpsc::Sender<()>,
    pulse: Arc<Pulse>,
}

async fn run_shard(start: Start) {
    let Start { opened, shards, ends, listeners, shared, live, started, pulse } = start;
    let Opened { mut engine, files, cdr } = opened;
    let publisher = Publisher::new(&mut engine.shard, shared.exporter.clone());
    let connecting = ends.connect();
    let beats = async {
        loop {
            pulse.next(engine.shard.id.index()).await;
        }
    };
    let (mesh, receivers) = future::or(connecting, beats).await;
    let disk = Disk::new(files, live.config.store.durability);
    let shard = ShardLoop::new(engine, disk, mesh, shared, live);
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
    look_after(&shard, publisher, &pulse).await;
}

async fn look_after(shard: &Rc<ShardLoop>, mut publisher: Publisher, pulse: &Pulse) {
    let mut stage = Stage::Serving;
    for round in 0_u32.. {
        let late = pulse.next(shard.id.index()).await;
        shard.count_lag(late);
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
            shard.publish(&mut publisher);
        }
    }
}
