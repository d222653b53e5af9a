//! `trunkline load`: customers' systems (ESMEs) that submit and account for every answer and receipt.

mod books;
mod conduct;
mod entries;
mod ledger;
mod reconnect;
mod schedule;
mod seat;
mod session;
mod tally;
mod template;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::ledger::Tag;
use super::report::{LatencySummary, StatusCounts, Table};
use super::values::duration;
pub use conduct::load;
pub use template::Concat;

/// A load generator: ESMEs that bind, submit, and match every receipt
#[derive(Clone, Debug, clap::Args)]
pub struct LoadArgs {
    /// Address of the SMSC or gateway
    #[arg(long, default_value = "127.0.0.1:2775")]
    pub connect: SocketAddr,
    #[arg(long, default_value = "acme")]
    pub system_id: String,
    #[arg(long, default_value = "secret")]
    pub password: String,
    /// Several accounts, as name:password each; the binds are spread over them
    #[arg(long, value_parser = account, conflicts_with_all = ["system_id", "password"])]
    pub account: Vec<Account>,
    /// Binds that submit
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=30_000))]
    pub binds: u32,
    /// transceiver; split: as many transmitters and receivers as --binds; transmitter, whose receipts are another's;
    /// receiver, which takes receipts until --dlr-timeout passes without any
    #[arg(long, default_value = "transceiver")]
    pub mode: Mode,
    /// The version of SMPP its binds speak
    #[arg(long, default_value = "3.4")]
    pub version: Version,
    /// submit_sm outstanding per connection
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub window: u32,
    /// Submits in all; 100000 when --duration is absent too
    #[arg(long)]
    pub count: Option<u64>,
    /// Submits a second on a fixed schedule (open loop); latency counts from the time a submit was due
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// In an open loop, submits due within this time leave together: coarser costs less CPU and adds as much latency
    #[arg(long, default_value = "30us", value_parser = duration)]
    pub pace: Duration,
    /// Submit for this long
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Ask for receipts and wait for them
    #[arg(long)]
    pub dlr: bool,
    /// Give up on receipts after this long without any
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub dlr_timeout: Duration,
    /// Give up on an answer after this long
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub response_timeout: Duration,
    #[arg(long, default_value = "TRUNKLINE", value_parser = address)]
    pub source: String,
    /// What all destinations begin with; eight digits follow
    #[arg(long, default_value = "4477", value_parser = prefix)]
    pub destination: String,
    /// Octets of each text; it begins with a tag of its own
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(Tag::LEN as i64..=254))]
    pub text: u16,
    /// Submit long messages, of so many parts each, one after the other on one connection
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub parts: u8,
    /// How their parts are marked
    #[arg(long, default_value = "udh8")]
    pub concat: Concat,
    /// Connect and bind again, for the whole run, when a connection is lost or refused. What was unanswered on it is in
    /// doubt, is not sent again, and is no error
    #[arg(long)]
    pub reconnect: bool,
    /// Write every submit, answer and receipt to this file, for `trunkline reconcile`
    #[arg(long)]
    pub ledger: Option<PathBuf>,
    /// Executors, each a thread; the connections are dealt over them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Exit 0 whatever is missing
    #[arg(long)]
    pub allow_errors: bool,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the JSON report to this file as well
    #[arg(long)]
    pub report: Option<PathBuf>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    pub system_id: String,
    pub password: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Mode {
    Transceiver,
    Split,
    Transmitter,
    Receiver,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Version {
    #[value(name = "3.3")]
    V33 = 0x33,
    #[value(name = "3.4")]
    V34 = 0x34,
    #[value(name = "5.0")]
    V50 = 0x50,
}

/// What fits into a submit_sm behind the header of a part.
const PART_TEXT_MAX: u16 = 247;

/// Submits of a run that neither counts nor times itself.
const COUNT_DEFAULT: u64 = 100_000;

impl LoadArgs {
    fn accounts(&self) -> Vec<Account> {
        if !self.account.is_empty() {
            return self.account.clone();
        }
        vec![Account { system_id: self.system_id.clone(), password: self.password.clone() }]
    }

    /// Whether it asks for receipts and they come to its own connections.
    fn awaits_receipts(&self) -> bool {
        self.dlr && self.mode != Mode::Transmitter
    }

    /// Submits of the run; an open loop's duration is a count too, so that nothing due is left out.
    #[must_use]
    pub fn submits(&self) -> u64 {
        if self.mode == Mode::Receiver {
            return 0;
        }
        let scheduled = match (self.rate, self.duration) {
            (Some(rate), Some(duration)) => Some((rate * duration.as_secs_f64()) as u64),
            (None, Some(_)) => Some(u64::MAX),
            (_, None) => None,
        };
        match (self.count, scheduled) {
            (Some(count), Some(scheduled)) => count.min(scheduled),
            (Some(count), None) | (None, Some(count)) => count,
            (None, None) => COUNT_DEFAULT,
        }
    }
}

fn account(text: &str) -> Result<Account, String> {
    let (system_id, password) = text.split_once(':').ok_or_else(|| format!("`{text}` is not NAME:PASSWORD"))?;
    Ok(Account { system_id: system_id.to_owned(), password: password.to_owned() })
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1e9).ok_or_else(|| format!("`{text}` is no rate"))
}

fn address(text: &str) -> Result<String, String> {
    if text.len() <= 20 { Ok(text.to_owned()) } else { Err("at most 20 octets".to_owned()) }
}

/// Leaves room for the eight digits that vary.
fn prefix(text: &str) -> Result<String, String> {
    if text.len() <= 12 { Ok(text.to_owned()) } else { Err("at most 12 octets".to_owned()) }
}

/// What a run has done so far; all threads add to it once a turn.
#[derive(Debug, Default)]
pub struct Progress {
    pub sent: AtomicU64,
    pub answered: AtomicU64,
    pub accepted: AtomicU64,
    /// Receipts matched.
    pub receipts: AtomicU64,
    /// Submits that will not be answered any more.
    pub lost: AtomicU64,
}

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadReport {
    pub submitted: u64,
    pub accepted: u64,
    pub refused: StatusCounts,
    pub unanswered: u64,
    /// Those of them that were lost with their connection.
    pub in_doubt: u64,
    /// Answers that came after we had given up on them, or to nothing.
    pub late_answers: u64,
    /// Ids that were given to two submits.
    pub repeated_ids: u64,
    pub receipts_expected: u64,
    pub receipts_matched: u64,
    pub receipts_missing: u64,
    pub receipts_duplicate: u64,
    pub receipts_unknown: u64,
    pub receipts_misrouted: u64,
    /// Receipts whose two ids, in text and TLV, differ; or that carry none.
    pub receipts_unreadable: u64,
    pub receipts_intermediate: u64,
    /// Matched receipts that stood before their answer on the same connection.
    pub receipts_before_answer: u64,
    pub mo: u64,
    pub disconnects: u64,
    pub protocol_errors: u64,
    /// Whether losing connections was expected.
    pub reconnects: bool,
    pub elapsed_seconds: f64,
    pub submits_per_second: f64,
    pub cpu_seconds: f64,
    pub answer_latency: LatencySummary,
    pub receipt_latency: LatencySummary,
}

impl LoadReport {
    /// Whether everything came back once, and to whom it belonged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let expected = if self.reconnects { self.in_doubt } else { 0 };
        self.unanswered <= expected
            && self.late_answers == 0
            && self.repeated_ids == 0
            && self.receipts_missing == 0
            && self.receipts_duplicate == 0
            // Those of another's submits, and of submits in doubt, carry ids that were never answered here.
            && (self.receipts_unknown <= expected || self.submitted == 0)
            && self.receipts_misrouted == 0
            && self.receipts_unreadable == 0
            && self.receipts_before_answer == 0
            && (self.disconnects == 0 || self.reconnects)
            && self.protocol_errors == 0
            // A load of which nothing was taken has shown nothing.
            && (self.accepted > 0 || self.submitted == 0)
    }

    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::default();
        table.row("submitted", self.submitted);
        table.row("accepted", self.accepted);
        table.statuses("refused", &self.refused);
        table.row("unanswered", self.unanswered);
        table.row_unless_zero("in doubt", self.in_doubt);
        table.row_unless_zero("late answers", self.late_answers);
        table.row_unless_zero("repeated ids", self.repeated_ids);
        if self.receipts_expected > 0 {
            table.row("receipts matched", self.receipts_matched);
            table.row("receipts missing", self.receipts_missing);
            table.row("receipts duplicate", self.receipts_duplicate);
            table.row("receipts unknown", self.receipts_unknown);
            table.row("receipts misrouted", self.receipts_misrouted);
        }
        table.row_unless_zero("receipts unreadable", self.receipts_unreadable);
        table.row_unless_zero("receipts intermediate", self.receipts_intermediate);
        table.row_unless_zero("receipts before answer", self.receipts_before_answer);
        table.row_unless_zero("mo", self.mo);
        table.row_unless_zero("disconnects", self.disconnects);
        table.row_unless_zero("protocol errors", self.protocol_errors);
        table.row("elapsed", format!("{:.3} s", self.elapsed_seconds));
        table.row("throughput", format!("{:.0} /s", self.submits_per_second));
        let per_submit = self.cpu_seconds * 1e6 / self.submitted.max(1) as f64;
        table.row("own cpu", format!("{:.3} s, {per_submit:.2} us per submit", self.cpu_seconds));
        table.row("answers", self.answer_latency);
        if self.receipts_expected > 0 {
            table.row("receipts", self.receipt_latency);
        }
        table
    }
}

/// Runs the load with a progress line, prints the report; an error when not everything came back.
pub fn run(args: &LoadArgs) -> Result<(), String> {
    let stop = super::stop_on_signals()?;
    let report = with_progress(args, &stop)?;
    super::report::print(&report, &report.table(), args.json, args.report.as_deref())?;
    if report.is_clean() || args.allow_errors { Ok(()) } else { Err("not everything came back".to_owned()) }
}

/// Runs the load, with a progress line when stderr is a terminal.
pub fn with_progress(args: &LoadArgs, stop: &Arc<AtomicBool>) -> Result<LoadReport, String> {
    let progress = Arc::new(Progress::default());
    let (done, result) = std::sync::mpsc::channel();
    let worker = {
        let (args, stop, progress) = (args.clone(), Arc::clone(stop), Arc::clone(&progress));
        std::thread::spawn(move || {
            let _ = done.send(load(&args, &progress, &stop));
        })
    };
    let total = Some(args.submits()).filter(|count| *count < u64::MAX);
    let bar = indicatif::ProgressBar::with_draw_target(total, indicatif::ProgressDrawTarget::stderr());
    bar.set_style(super::report::progress_style());
    let report = loop {
        match result.recv_timeout(Duration::from_millis(100)) {
            Ok(report) => break report,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                let of = if args.dlr { &progress.receipts } else { &progress.answered };
                bar.set_position(of.load(Ordering::Relaxed));
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                break Err("the load ended without a report".to_owned());
            }
        }
    };
    bar.finish_and_clear();
    let _ = worker.join();
    report
}
