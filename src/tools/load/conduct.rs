//! A run of the load from its first bind to its last unbind: what the threads share, and when it is over.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement};

use super::ledger::Ledger;
use super::reconnect;
use super::seat::{Seat, seats};
use super::session::{Lane, Session, Thread};
use super::tally::Tally;
use super::template::{Common, Template};
use super::{Account, LoadArgs, LoadReport, Mode, PART_TEXT_MAX, Progress};
use crate::runtime::pulse::Pulse;
use crate::tools::PULSE;
use crate::tools::clock::{monotonic_ns, since_unix_epoch, thread_cpu_ns};
use crate::tools::ledger::LedgerFile;
use crate::tools::values::{nanos, scramble};

/// All binds must be answered within this.
const BIND_NS: u64 = 15_000_000_000;

/// After the last receipt, time for one too many to come.
const LINGER: Duration = Duration::from_millis(100);

/// Time for unbind_resp; after it connections are closed without.
const UNBIND_NS: u64 = 2_000_000_000;

/// Time for a connection to close, or to notice that it need not be made again.
const CLOSE_NS: u64 = 2_000_000_000;

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(5);

/// What all threads of a run share.
pub(super) struct Shared {
    pub(super) args: LoadArgs,
    pub(super) accounts: Vec<Account>,
    pub(super) progress: Arc<Progress>,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) bound: AtomicU64,
    /// Connections not yet ended.
    pub(super) open: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) last_heard_ns: AtomicU64,
    stop: Arc<AtomicBool>,
    connections: u64,
    run: u32,
    limit: u64,
    next_number: AtomicU64,
    /// Zero until all have bound.
    started_ns: AtomicU64,
    ending: AtomicBool,
    /// Connections are to close as they are.
    abandoning: AtomicBool,
    connections_made: AtomicU32,
    file: Option<LedgerFile>,
    failure: Mutex<Option<String>>,
}

/// Runs the load on threads of its own until it is done, given up, or `stop` is raised.
pub fn load(args: &LoadArgs, progress: &Arc<Progress>, stop: &Arc<AtomicBool>) -> Result<LoadReport, String> {
    if args.parts > 1 && args.text > PART_TEXT_MAX {
        return Err(format!("--text: a part has room for {PART_TEXT_MAX} octets"));
    }
    let seats = seats(args);
    let shared = Arc::new(Shared::new(args, progress, stop, seats.len() as u64)?);
    let threads = usize::from(args.threads).min(seats.len());
    let mut workers = Vec::new();
    for thread in 0..threads {
        let own: Vec<Seat> = seats.iter().copied().skip(thread).step_by(threads).collect();
        let shared = Arc::clone(&shared);
        workers.push(std::thread::spawn(move || {
            let tally = run_thread(&shared, &own);
            if let Err(error) = &tally {
                shared.fail(error.clone());
            }
            tally
        }));
    }
    let mut total = Tally::default();
    for worker in workers {
        let tally = worker.join().map_err(|_| "a thread of the load panicked".to_owned())?;
        if let Ok(tally) = tally {
            total.merge(&tally);
        }
    }
    shared.file.as_ref().map_or(Ok(()), LedgerFile::close)?;
    let failure = shared.failure.lock().ok().and_then(|mut failure| failure.take());
    failure.map_or_else(|| Ok(shared.report(&total)), Err)
}

fn run_thread(shared: &Arc<Shared>, seats: &[Seat]) -> Result<Tally, String> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .name("load")
        .io_memory(64 << 10)
        .make()
        .map_err(|error| format!("no executor: {error}"))?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let pulse = Pulse::start(1, PULSE).map_err(|error| format!("no pulse: {error}"))?;
    executor.run(async {
        glommio::spawn_local(pulse.keep_awake(0)).detach();
        conduct(shared, seats, &tally).await
    })?;
    let mut tally = tally.take();
    tally.cpu_ns = thread_cpu_ns();
    Ok(tally)
}

async fn conduct(shared: &Arc<Shared>, seats: &[Seat], tally: &Rc<RefCell<Tally>>) -> Result<(), String> {
    let thread = Thread {
        tally: Rc::clone(tally),
        template: Rc::new(Template::new(&shared.common())),
        lines: shared.file.as_ref().map(|file| Rc::new(RefCell::new(file.lines()))),
    };
    let mut lanes = Vec::new();
    for seat in seats {
        let session = Session::new(shared, &thread, *seat);
        lanes.push(session.lane());
        let first = reconnect::connect(shared.args.connect).await;
        if let Err(error) = &first
            && !shared.args.reconnect
        {
            return Err(error.clone());
        }
        glommio::spawn_local(reconnect::keep(session, first.ok(), Arc::clone(shared))).detach();
    }
    let bind_deadline = monotonic_ns() + BIND_NS;
    while !shared.has_started() && !shared.is_ending() {
        shared.start_when_bound(bind_deadline);
        Timer::new(Duration::from_millis(1)).await;
    }
    ring_all(&lanes);
    keep_pace(shared, &lanes).await;
    if shared.args.dlr {
        Timer::new(LINGER).await;
    }
    shared.ending.store(true, Ordering::Relaxed);
    wait_until_closed(&lanes, UNBIND_NS).await;
    shared.abandoning.store(true, Ordering::Relaxed);
    wait_until_closed(&lanes, CLOSE_NS).await;
    if let Some(lines) = &thread.lines {
        lines.borrow_mut().flush();
    }
    Ok(())
}

async fn wait_until_closed(lanes: &[Rc<Lane>], within_ns: u64) {
    let deadline = monotonic_ns() + within_ns;
    while lanes.iter().any(|lane| lane.is_open.get()) && monotonic_ns() < deadline {
        ring_all(lanes);
        Timer::new(Duration::from_millis(1)).await;
    }
}

fn ring_all(lanes: &[Rc<Lane>]) {
    for lane in lanes {
        lane.outbox.ring();
    }
}

/// Rings each lane when its next submit is due, and all of them now and then, until the run is over.
async fn keep_pace(shared: &Shared, lanes: &[Rc<Lane>]) {
    let mut look_at_ns = 0;
    let mut ring_all_at_ns = 0;
    loop {
        let now = monotonic_ns();
        if now >= look_at_ns {
            if shared.is_over(now) {
                return;
            }
            look_at_ns = now + nanos(LOOK);
        }
        if now >= ring_all_at_ns {
            ring_all(lanes);
            ring_all_at_ns = now + 1_000_000_000;
        }
        let mut wake_at = look_at_ns;
        for lane in lanes.iter().filter(|lane| lane.is_open.get()) {
            if lane.next_due_ns.get() <= now {
                lane.outbox.ring();
                wake_at = now;
            } else {
                wake_at = wake_at.min(lane.next_due_ns.get());
            }
        }
        Timer::new(Duration::from_nanos(wake_at.saturating_sub(now)).max(shared.args.pace)).await;
    }
}

impl Shared {
    fn new(
        args: &LoadArgs,
        progress: &Arc<Progress>,
        stop: &Arc<AtomicBool>,
        connections: u64,
    ) -> Result<Self, String> {
        let awaiting = (args.binds * args.window) as usize * 4;
        let ledger =
            if args.awaits_receipts() { Ledger::with_room(args.submits(), awaiting) } else { Ledger::default() };
        Ok(Self {
            accounts: args.accounts(),
            progress: Arc::clone(progress),
            ledger: Mutex::new(ledger),
            bound: AtomicU64::new(0),
            open: AtomicU64::new(connections),
            abandoned: AtomicU64::new(0),
            last_heard_ns: AtomicU64::new(0),
            stop: Arc::clone(stop),
            connections,
            run: scramble(nanos(since_unix_epoch())) as u32,
            limit: args.submits(),
            next_number: AtomicU64::new(0),
            started_ns: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            abandoning: AtomicBool::new(false),
            connections_made: AtomicU32::new(0),
            file: args.ledger.as_deref().map(LedgerFile::create).transpose()?,
            failure: Mutex::default(),
            args: args.clone(),
        })
    }

    /// Ends the run for good; the first reason is the one reported.
    pub(super) fn fail(&self, reason: String) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(reason);
        }
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoning.load(Ordering::Relaxed)
    }

    /// Numbers the connections as they are bound, over all threads.
    pub(super) fn next_connection(&self) -> u32 {
        self.connections_made.fetch_add(1, Ordering::Relaxed)
    }

    /// When the run started, while it still submits.
    pub(super) fn sending_since(&self, now: u64) -> Option<u64> {
        let start = self.started_ns.load(Ordering::Relaxed);
        (start > 0 && start <= now && self.is_sending(now)).then_some(start)
    }

    /// The next numbers for submits, at most `count` of them.
    pub(super) fn take_numbers(&self, count: u64) -> Range<u64> {
        // All parts of a message are one customer's.
        let count = count.next_multiple_of(self.args.parts.into());
        let first = self.next_number.fetch_add(count, Ordering::Relaxed).min(self.limit);
        first..(first + count).min(self.limit)
    }

    pub(super) fn all_taken(&self) -> bool {
        self.next_number.load(Ordering::Relaxed) >= self.limit
    }

    fn common(&self) -> Common<'_> {
        let args = &self.args;
        Common {
            source: &args.source,
            destination: &args.destination,
            text_len: usize::from(args.text),
            run: self.run,
            wants_receipt: args.dlr,
            parts: args.parts,
            concat: args.concat,
        }
    }

    fn has_started(&self) -> bool {
        self.started_ns.load(Ordering::Relaxed) > 0
    }

    fn start_when_bound(&self, deadline: u64) {
        let now = monotonic_ns();
        if self.bound.load(Ordering::Relaxed) >= self.connections {
            self.last_heard_ns.store(now, Ordering::Relaxed);
            let _ = self.started_ns.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        } else if now > deadline {
            self.fail(format!("{}: not all binds were answered", self.args.connect));
        }
        if self.stop.load(Ordering::Relaxed) || self.open.load(Ordering::Relaxed) < self.connections {
            self.fail(format!("{}: ended before all were bound", self.args.connect));
        }
    }

    fn is_sending(&self, now: u64) -> bool {
        // An open loop's duration is its count: what was due in time is sent even if late.
        let deadline = self.args.duration.filter(|_| self.args.rate.is_none()).map_or(u64::MAX, nanos);
        let elapsed = now.saturating_sub(self.started_ns.load(Ordering::Relaxed));
        !self.stop.load(Ordering::Relaxed) && elapsed < deadline
    }

    fn is_over(&self, now: u64) -> bool {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (sent, progress) = (read(&self.progress.sent), &self.progress);
        if self.is_ending() || read(&self.open) == 0 {
            return true;
        }
        let silent_ns = now.saturating_sub(read(&self.last_heard_ns));
        let all_sent = !self.is_sending(now) || sent + read(&self.abandoned) >= self.limit;
        let all_answered = all_sent && read(&progress.answered) + read(&progress.lost) >= sent;
        if !all_answered {
            let idle_ns = self.args.rate.map_or(0, |rate| (1e9 / rate) as u64);
            return silent_ns > nanos(self.args.response_timeout).saturating_add(2_000_000_000 + idle_ns);
        }
        let awaited = match self.args.mode {
            // Others submit; it ends with the silence.
            Mode::Receiver => u64::MAX,
            Mode::Transceiver | Mode::Split | Mode::Transmitter => self.awaited(),
        };
        read(&progress.receipts) >= awaited || silent_ns > nanos(self.args.dlr_timeout)
    }

    fn awaited(&self) -> u64 {
        if self.args.awaits_receipts() { self.progress.accepted.load(Ordering::Relaxed) } else { 0 }
    }

    fn report(&self, total: &Tally) -> LoadReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let progress = &self.progress;
        let (submitted, answered) = (read(&progress.sent), read(&progress.answered));
        let elapsed_ns = read(&self.last_heard_ns).saturating_sub(read(&self.started_ns));
        let elapsed_seconds = elapsed_ns.max(1) as f64 / 1e9;
        let (missing, unknown) = self.ledger.lock().map_or((0, 0), |ledger| (ledger.missing(), ledger.unknown()));
        LoadReport {
            submitted,
            accepted: read(&progress.accepted),
            refused: total.refused.clone(),
            unanswered: submitted - answered,
            in_doubt: total.in_doubt,
            late_answers: total.late_answers,
            repeated_ids: total.repeated_ids,
            receipts_expected: self.awaited(),
            receipts_matched: read(&progress.receipts),
            receipts_missing: missing,
            receipts_duplicate: total.duplicates,
            receipts_unknown: unknown,
            receipts_misrouted: total.misrouted,
            receipts_unreadable: total.unreadable,
            receipts_intermediate: total.intermediate,
            receipts_before_answer: total.before_answer,
            mo: total.mo,
            disconnects: total.disconnects,
            protocol_errors: total.protocol_errors,
            reconnects: self.args.reconnect,
            elapsed_seconds,
            submits_per_second: submitted as f64 / elapsed_seconds,
            cpu_seconds: total.cpu_ns as f64 / 1e9,
            answer_latency: total.answers.summary(),
            receipt_latency: total.receipts.summary(),
        }
    }
}
