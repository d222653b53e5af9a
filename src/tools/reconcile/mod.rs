//! `trunkline reconcile`: holds the ledgers of customers and carriers against each other, and says what was not kept.

mod books;
mod cdr;
mod judge;
mod message;
#[cfg(test)]
mod tests;
mod verdict;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::ledger::END;
use super::values::status;
use crate::smpp::command::CommandStatus;
use books::Books;
use cdr::CdrBook;
pub use verdict::{Row, Verdict};

/// Check the ledgers of a load and of its carriers against what is promised
#[derive(Clone, Debug, clap::Args)]
pub struct ReconcileArgs {
    /// Ledgers of `trunkline load`
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub load: Vec<PathBuf>,
    /// Ledgers of `trunkline smsc`
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub smsc: Vec<PathBuf>,
    /// Directory of the gateway's call detail records, as JSON lines
    #[arg(long, value_name = "DIRECTORY")]
    pub cdr: Option<PathBuf>,
    #[command(flatten)]
    pub bounds: Bounds,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the JSON report to this file as well
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// What a crash may cost.
#[derive(Clone, Debug, clap::Args)]
pub struct Bounds {
    /// Crashes of the gateway during the run
    #[arg(long, default_value_t = 0)]
    pub crashes: u64,
    /// Submits an account may have outstanding: accepted and never answered in a crash
    #[arg(long, default_value_t = 1_000)]
    pub window: u64,
    /// deliver_sm outstanding per session, repeated by a crash
    #[arg(long, default_value_t = 10)]
    pub delivery_window: u64,
    /// Sessions that receive
    #[arg(long, default_value_t = 1)]
    pub sessions: u64,
    /// Removals of the commit that was open: receipts acknowledged by the customer, and repeated by a crash all the same
    #[arg(long, default_value_t = 0)]
    pub open_commit: u64,
    /// The status that says the outcome is unknown
    #[arg(long, default_value = "0xFF", value_parser = status)]
    pub in_doubt_status: CommandStatus,
}

/// Prints what the ledgers come to; an error when a promise was broken.
pub fn run(args: &ReconcileArgs) -> Result<(), String> {
    let verdict = reconcile(args)?;
    super::report::print(&verdict, &verdict.table(), args.json, args.report.as_deref())?;
    if verdict.is_clean() { Ok(()) } else { Err("not every promise was kept".to_owned()) }
}

pub fn reconcile(args: &ReconcileArgs) -> Result<Verdict, String> {
    let ReconcileArgs { load, smsc, bounds, .. } = args;
    let mut books = Books::default();
    for path in smsc {
        each_line(path, |line| books.smsc_line(line))?;
    }
    for path in load {
        books.begin_load();
        each_line(path, |line| books.load_line(line))?;
    }
    // Receipts are judged when every answer is known: that of another file may have come before them.
    for path in load {
        books.begin_load();
        each_line(path, |line| books.receipt_line(line))?;
    }
    let cdr = args.cdr.as_deref().map(CdrBook::read).transpose()?;
    Ok(books.verdict(bounds, cdr.as_ref()))
}

/// Every line of a whole ledger.
fn each_line(path: &Path, mut book: impl FnMut(&str) -> Result<(), String>) -> Result<(), String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
    let (mut reader, mut line, mut number) = (BufReader::with_capacity(1 << 20, file), String::new(), 0);
    loop {
        line.clear();
        number += 1;
        let count = reader.read_line(&mut line).map_err(|error| format!("{name}:{number}: {error}"))?;
        match line.strip_suffix('\n') {
            Some(END) => return Ok(()),
            Some(whole) => book(whole).map_err(|error| format!("{name}:{number}: {error}"))?,
            None if count == 0 => {
                return Err(format!("{name}: no `{END}` line: its tool still writes it, or was killed"));
            }
            None => return Err(format!("{name}:{number}: cut short")),
        }
    }
}
