//! `trunkline smsc`: a simulated carrier, well or badly behaved as its flags say.

mod answers;
mod bucket;
mod carrier;
mod entries;
mod lies;
mod originate;
mod parts;
mod peer;
mod rate;
mod receipt;
mod remembered;
mod session;
#[cfg(test)]
mod tests;
mod wheel;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use glommio::timer::Timer;
use glommio::{LocalExecutorBuilder, Placement};
use serde::Serialize;
use signal_hook::consts::SIGUSR1;

use super::ids::IdFormat;
use super::report::{StatusCounts, Table};
use super::values::{Delay, Mix, duration, nanos, percent, status};
use crate::runtime::pulse::Pulse;
use crate::runtime::socket;
use crate::runtime::sys::listener_from;
use crate::smpp::command::CommandStatus;
use crate::tools::PULSE;
use crate::tools::clock::{monotonic_ns, thread_cpu_ns};
use crate::tools::ledger::LedgerFile;
use carrier::Carrier;
use entries::Entries;
pub use lies::Lies;
pub use parts::PartsReport;
pub use rate::{ConnectionRate, Rate, RateReport};
use receipt::State;
pub use receipt::{IdPlace, ReceiptCommand};

/// How often everything that is late is looked at.
const TICK: Duration = Duration::from_millis(1);

/// The same when nothing is ever late by the flags.
const IDLE_TICK: Duration = Duration::from_millis(20);

/// A simulated carrier (SMSC).
#[derive(Clone, Debug, clap::Args)]
pub struct SmscArgs {
    /// Address to listen on; port 0 takes a free one and prints it
    #[arg(long, default_value = "127.0.0.1:2776")]
    pub listen: Vec<SocketAddr>,
    /// The only system_id that may bind; absent: any
    #[arg(long)]
    pub system_id: Option<String>,
    /// The only password that may bind; absent: any
    #[arg(long)]
    pub password: Option<String>,
    /// Time from submit_sm to its answer: 5ms, or drawn from 5ms..50ms
    #[arg(long, default_value = "0")]
    pub latency: Delay,
    /// Answers that refuse, in percent: ESME_RSYSERR=2,0x400=1
    #[arg(long, default_value = "", value_parser = |text: &str| Mix::parse(text, status))]
    pub errors: Mix<CommandStatus>,
    /// Submits never answered, in percent
    #[arg(long, default_value_t = 0.0, value_parser = percent)]
    pub no_answer: f64,
    /// Submits a second, over all connections; above it they are refused
    #[arg(long)]
    pub rate: Option<u32>,
    /// Submits that may come at once under --rate; absent: a tenth of it
    #[arg(long, requires = "rate")]
    pub burst: Option<u32>,
    /// What a submit over --rate is answered with
    #[arg(long, default_value = "ESME_RTHROTTLED", value_parser = status)]
    pub throttle_status: CommandStatus,
    /// When receipts are sent: none, immediate (right behind the answer), before (the answer), or a delay such as 1s..5s
    #[arg(long, default_value = "immediate")]
    pub receipts: Receipts,
    /// The connection a receipt takes: that of the submit, or another of the same system_id
    #[arg(long, default_value = "same")]
    pub receipt_link: ReceiptLink,
    /// Final states, in percent: DELIVRD=95,UNDELIV=5; what is left is DELIVRD
    #[arg(long, default_value = "", value_parser = |text: &str| Mix::parse(text, str::parse::<State>))]
    receipt_states: Mix<State>,
    /// Send an ENROUTE receipt when the submit is answered, before the final one
    #[arg(long)]
    pub intermediate: bool,
    /// Ids in submit_sm_resp: counter-decimal, hex, HEX, uuid; zero-padded as in hex:8
    #[arg(long, default_value = "counter-decimal")]
    pub id_format: IdFormat,
    /// Ids in receipts; absent: as in the answer
    #[arg(long)]
    pub receipt_id_format: Option<IdFormat>,
    /// The number of the first id
    #[arg(long, default_value_t = 1)]
    pub id_start: u64,
    /// Where a receipt carries the id
    #[arg(long, default_value = "both")]
    pub receipt_id_in: IdPlace,
    /// What carries a receipt
    #[arg(long, default_value = "deliver_sm")]
    pub receipts_as: ReceiptCommand,
    /// The congestion_state that answers carry: 0..100
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub congestion: Option<u8>,
    /// Messages remembered, the newest, to be asked of with query_sm, cancel_sm and replace_sm; others are refused
    #[arg(long, default_value_t = 0)]
    pub remember: usize,
    /// deliver_sm (receipts and MO) outstanding per connection
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub delivery_window: u32,
    /// Mobile originated messages a second, dealt over the receiving binds
    #[arg(long, default_value_t = 0)]
    pub mo_rate: u32,
    #[arg(long, default_value = "447700900000")]
    pub mo_source: String,
    #[arg(long, default_value = "12345")]
    pub mo_destination: String,
    /// Close each connection abruptly after this many submits
    #[arg(long)]
    pub close_after: Option<u64>,
    /// Exit after this many final receipts acknowledged (submits answered, without receipts)
    #[arg(long)]
    pub count: Option<u64>,
    /// Exit after this time
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Write every submit and receipt to this file, for `trunkline reconcile`
    #[arg(long)]
    pub ledger: Option<PathBuf>,
    /// Chooses every draw; the same seed draws the same
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the JSON report to this file as well
    #[arg(long)]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub lies: Lies,
}

/// When receipts are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Receipts {
    None,
    /// In the same write, before the answer that carries the id.
    Before,
    /// This long after the answer.
    After(Delay),
}

impl std::str::FromStr for Receipts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "before" => Ok(Self::Before),
            "immediate" => Ok(Self::After(Delay::default())),
            delay => delay.parse().map(Self::After),
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum ReceiptLink {
    Same,
    Other,
}

impl SmscArgs {
    /// Whether something is to happen other than in reply to what was just read.
    fn has_late_work(&self) -> bool {
        let receipts_late = match self.receipts {
            Receipts::None => false,
            Receipts::Before => self.receipt_link == ReceiptLink::Other,
            Receipts::After(delay) => !delay.is_zero(),
        };
        receipts_late || !self.latency.is_zero() || self.mo_rate > 0 || self.lies.stray_receipts > 0
    }
}

/// What the simulator did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SmscReport {
    pub binds: u64,
    pub binds_refused: StatusCounts,
    pub submits: u64,
    pub accepted: u64,
    pub refused: StatusCounts,
    pub not_answered: u64,
    pub intermediate_sent: u64,
    /// Final receipts, each counted once however often it was sent.
    pub receipts_sent: u64,
    pub receipts_resent: u64,
    pub receipts_acknowledged: u64,
    /// Answers to receipts of any kind that were no ESME_ROK.
    pub receipts_refused: StatusCounts,
    /// Final receipts that no answer has settled.
    pub receipts_unacknowledged: u64,
    pub mo_sent: u64,
    pub mo_answered: StatusCounts,
    pub answered_twice: u64,
    /// Answers with a sequence number nobody sent.
    pub wrong_sequences: u64,
    /// Submits refused with a generic_nack.
    pub nacked: u64,
    /// Times that garbage was sent.
    pub garbage_sent: u64,
    /// Connections it closed of its own accord.
    pub closes: u64,
    pub stray_receipts_sent: u64,
    /// query_sm, cancel_sm and replace_sm.
    pub asked: u64,
    pub stray_receipts_answered: StatusCounts,
    pub rate: RateReport,
    pub long: PartsReport,
    pub enquire_links: u64,
    pub protocol_errors: u64,
    pub cpu_seconds: f64,
}

impl SmscReport {
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::default();
        table.row("binds", self.binds);
        table.statuses("binds refused", &self.binds_refused);
        table.row("submits", self.submits);
        table.row("accepted", self.accepted);
        table.statuses("refused", &self.refused);
        table.row_unless_zero("not answered", self.not_answered);
        table.row_unless_zero("intermediate receipts", self.intermediate_sent);
        table.row("receipts sent", self.receipts_sent);
        table.row_unless_zero("receipts sent again", self.receipts_resent);
        table.row("receipts acknowledged", self.receipts_acknowledged);
        table.statuses("receipts refused", &self.receipts_refused);
        table.row("receipts unacknowledged", self.receipts_unacknowledged);
        table.row_unless_zero("mo sent", self.mo_sent);
        table.statuses("mo answered", &self.mo_answered);
        table.row_unless_zero("answered twice", self.answered_twice);
        table.row_unless_zero("wrong sequence numbers", self.wrong_sequences);
        table.row_unless_zero("nacked", self.nacked);
        table.row_unless_zero("garbage sent", self.garbage_sent);
        table.row_unless_zero("connections closed", self.closes);
        table.row_unless_zero("asked of messages", self.asked);
        table.row_unless_zero("stray receipts", self.stray_receipts_sent);
        table.statuses("stray receipts answered", &self.stray_receipts_answered);
        self.rate.rows(&mut table);
        self.long.rows(&mut table);
        table.row_unless_zero("protocol errors", self.protocol_errors);
        table.row("cpu seconds", format!("{:.3}", self.cpu_seconds));
        table
    }
}

/// Runs until a signal, `--count` or `--duration` ends it, and prints the report.
pub fn run(args: &SmscArgs) -> Result<(), String> {
    let stop = super::stop_on_signals()?;
    let (bound, addresses) = std::sync::mpsc::channel();
    let (listens, json) = (args.listen.clone(), args.json);
    let announcer = std::thread::spawn(move || {
        for address in addresses.into_iter().take(listens.len()) {
            eprintln!("listening on {address}");
        }
    });
    let report = smsc(args, &stop, &bound)?;
    drop(bound);
    let _ = announcer.join();
    super::report::print(&report, &report.table(), json, args.report.as_deref())
}

/// Runs the simulator on this thread until `stop` or its own limits; each bound address is sent to `bound`.
pub fn smsc(args: &SmscArgs, stop: &Arc<AtomicBool>, bound: &Sender<SocketAddr>) -> Result<SmscReport, String> {
    let mut listeners = Vec::new();
    for address in &args.listen {
        let listener = socket::listen_once_free(*address).map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        // The receiver may have seen enough.
        let _ = bound.send(address);
        listeners.push(listener);
    }
    let file = args.ledger.as_deref().map(LedgerFile::create).transpose()?;
    let executor = LocalExecutorBuilder::new(Placement::Unbound)
        .name("smsc")
        .io_memory(64 << 10)
        .make()
        .map_err(|error| format!("no executor: {error}"))?;
    let behave = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&behave)).map_err(|error| format!("no signal handler: {error}"))?;
    let cpu_before = thread_cpu_ns();
    let mut carrier = Carrier::new(args.clone(), monotonic_ns());
    carrier.entries = file.as_ref().map(|file| Entries::to(file.lines())).unwrap_or_default();
    let carrier = Rc::new(RefCell::new(carrier));
    let pulse = Pulse::start(1, PULSE).map_err(|error| format!("no pulse: {error}"))?;
    let mut report = executor.run(async move {
        glommio::spawn_local(pulse.keep_awake(0)).detach();
        conduct(carrier, listeners, Arc::clone(stop), behave).await
    });
    file.as_ref().map_or(Ok(()), LedgerFile::close)?;
    report.cpu_seconds = (thread_cpu_ns() - cpu_before) as f64 / 1e9;
    Ok(report)
}

async fn conduct(
    carrier: Rc<RefCell<Carrier>>,
    listeners: Vec<std::net::TcpListener>,
    stop: Arc<AtomicBool>,
    behave: Arc<AtomicBool>,
) -> SmscReport {
    for listener in listeners {
        glommio::spawn_local(accept(Rc::clone(&carrier), listener)).detach();
    }
    let (tick, deadline) = {
        let carrier = carrier.borrow();
        let deadline =
            carrier.args.duration.map_or(u64::MAX, |duration| monotonic_ns().saturating_add(nanos(duration)));
        (if carrier.args.has_late_work() { TICK } else { IDLE_TICK }, deadline)
    };
    loop {
        Timer::new(tick).await;
        let now = monotonic_ns();
        let mut carrier = carrier.borrow_mut();
        if behave.swap(false, Ordering::Relaxed) {
            carrier.behave();
        }
        carrier.tick(now);
        if carrier.is_done() || now >= deadline || stop.load(Ordering::Relaxed) {
            carrier.entries.flush();
            return carrier.report();
        }
    }
}

/// Never cancelled: a dropped accept would lose the connection it has taken.
async fn accept(carrier: Rc<RefCell<Carrier>>, listener: std::net::TcpListener) {
    let listener = listener_from(listener);
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                glommio::spawn_local(session::serve(Rc::clone(&carrier), stream)).detach();
            }
            // Out of descriptors, most likely: the error would come back at once for ever.
            Err(_) => {
                Timer::new(Duration::from_millis(100)).await;
            }
        }
    }
}
