//! The command line: which command, and the exit code it ends with.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tools::demo::{self, DemoArgs};
use crate::tools::load::{self, LoadArgs};
use crate::tools::smsc::{self, SmscArgs};

#[derive(Parser)]
#[command(version, about = "A sharded SMPP proxy and aggregator, and the tools to try it with")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job on this machine: a simulated carrier, the gateway, and a load through it
    Demo(DemoArgs),
    /// Simulate a carrier (SMSC)
    Smsc(Box<SmscArgs>),
    /// Generate load: ESMEs that bind, submit, and match every receipt
    Load(Box<LoadArgs>),
}

/// Runs the command of this process's arguments. Wrong usage exits 2 from within clap.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Smsc(args) => smsc::run(&args),
        Command::Load(args) => load::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
