//! `trunkline store`: what a store holds, and what to do when it is damaged.

pub mod inspect;

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::runtime::serve::{EXIT_STORE, EXIT_UNFINISHED, Failure};
use crate::runtime::store_files::{StoreError, inspect_store};
use crate::runtime::store_repair::{lock_store, repair_store};
use crate::runtime::{clock, store_files};
use inspect::StoreReport;

#[derive(Subcommand)]
pub enum StoreCommand {
    /// Print segments, live entries, queues by account and carrier, and any damage; exits 1 when there is some
    Inspect(InspectArgs),
    /// Set damaged segments aside, keeping what is whole in them; the gateway must not run
    Repair(RepairArgs),
}

#[derive(Args)]
pub struct InspectArgs {
    /// The store's directory (store.path)
    path: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct RepairArgs {
    /// The store's directory (store.path)
    path: PathBuf,
}

pub fn run(command: &StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Inspect(args) => inspect(args),
        StoreCommand::Repair(args) => repair(args),
    }
}

/// Changes nothing and takes no lock: a gateway may be writing meanwhile.
fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    expect_directory(&args.path)?;
    let reading = inspect_store(&args.path).map_err(|error| failed(&error))?;
    let report = StoreReport::new(&args.path, &reading, clock::since_unix_epoch().as_secs());
    if args.json {
        say(&format_args!("{:#}\n", report.json()));
    } else {
        say(&report);
    }
    if reading.damage.is_empty() {
        return Ok(());
    }
    let message = format!("store {}: {} damaged", args.path.display(), reading.damage.len());
    Err(Failure { exit_code: EXIT_UNFINISHED, message })
}

fn repair(args: &RepairArgs) -> Result<(), Failure> {
    expect_directory(&args.path)?;
    let _lock = lock_store(&args.path).map_err(|error| failed(&error))?;
    repair_store(&args.path, |action| say(&format_args!("{action}\n"))).map_err(|error| failed(&error))?;
    say(&format_args!("store {}: nothing is damaged\n", args.path.display()));
    Ok(())
}

/// Whoever reads may stop reading (`| head`), which must not end a repair half-way.
fn say(what: &impl Display) {
    let _ = write!(std::io::stdout(), "{what}");
}

/// To the gateway a directory that is not there is an empty store; to who names it here it is a slip of the pen.
fn expect_directory(path: &Path) -> Result<(), Failure> {
    store_files::segments_in(path).map_err(|error| failed(&error))?;
    if path.is_dir() {
        return Ok(());
    }
    Err(Failure { exit_code: EXIT_STORE, message: format!("store {}: there is no such directory", path.display()) })
}

fn failed(error: &StoreError) -> Failure {
    Failure { exit_code: EXIT_STORE, message: error.to_string() }
}
