//! The command line: which command, and the exit code it ends with.

mod ctl;
mod pages;
mod route;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{self, Config, Parsed};
use crate::runtime::serve::{self, Failure};
use crate::runtime::{config_file, files, logging, signals, tls};
use crate::tools::demo::{self, DemoArgs};
use crate::tools::load::{self, LoadArgs};
use crate::tools::reconcile::{self, ReconcileArgs};
use crate::tools::smsc::{self, SmscArgs};
use crate::tools::store::{self, StoreCommand};

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
    /// Run the gateway
    Serve(ConfigArgs),
    /// Say every problem of a configuration file, or what it would do
    Check(ConfigArgs),
    /// Say which route decides for a message, why those before it do not, and which carriers are tried
    Route(route::RouteArgs),
    /// Ask a gateway that runs, and give it orders
    Ctl(ctl::CtlArgs),
    /// Simulate a carrier (SMSC)
    Smsc(Box<SmscArgs>),
    /// Generate load: ESMEs that bind, submit, and match every receipt
    Load(Box<LoadArgs>),
    /// Look into a store, or repair it
    #[command(subcommand)]
    Store(StoreCommand),
    /// Check the ledgers of a load and of its carriers against what is promised
    Reconcile(ReconcileArgs),
    /// Print the manual page, for packages
    #[command(hide = true)]
    Man,
    /// Print what a shell reads to complete our command line
    #[command(hide = true)]
    Completions(pages::CompletionsArgs),
}

#[derive(Args)]
struct ConfigArgs {
    /// The configuration, YAML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command of this process's arguments. Wrong usage exits 2 from within clap.
#[must_use]
pub fn main() -> ExitCode {
    let failed = |error: String| Failure { exit_code: serve::EXIT_UNFINISHED, message: error };
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args).map_err(failed),
        Command::Serve(args) => serve_command(&args),
        Command::Check(args) => check_command(&args),
        Command::Route(args) => route::run(&args),
        Command::Ctl(args) => ctl::run(&args),
        Command::Smsc(args) => smsc::run(&args).map_err(failed),
        Command::Load(args) => load::run(&args).map_err(failed),
        Command::Store(command) => store::run(&command),
        Command::Reconcile(args) => reconcile::run(&args).map_err(failed),
        Command::Man => printed(pages::manual(&Cli::command(), &mut std::io::stdout())),
        Command::Completions(args) => printed(pages::completions(&args, Cli::command(), &mut std::io::stdout())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Whoever reads it may be gone, and the exit code tells all the same.
            let _ = writeln!(std::io::stderr(), "{}", failure.message);
            ExitCode::from(u8::try_from(failure.exit_code).unwrap_or(1))
        }
    }
}

fn printed(result: std::io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure { exit_code: serve::EXIT_UNFINISHED, message: format!("cannot print: {error}") })
}

fn serve_command(args: &ConfigArgs) -> Result<(), Failure> {
    let failed = |error| Failure { exit_code: serve::EXIT_FAULT, message: format!("cannot watch signals: {error}") };
    let is_reload_asked = signals::note_reload().map_err(failed)?;
    let Parsed { config, warnings } = read(&args.config)?;
    logging::start(&config.log).map_err(|message| Failure { exit_code: serve::EXIT_CONFIG, message })?;
    if holds_secrets(&config) && files::is_readable_by_others(&args.config) {
        tracing::warn!(file = %args.config.display(), "others may read this file, and it holds secrets: chmod 640");
    }
    for warning in warnings {
        tracing::warn!("{}: {warning}", args.config.display());
    }
    serve::serve(config, &args.config, &is_reload_asked)
}

fn check_command(args: &ConfigArgs) -> Result<(), Failure> {
    let Parsed { config, warnings } = read(&args.config)?;
    for warning in warnings {
        let _ = writeln!(std::io::stderr(), "warning: {}: {warning}", args.config.display());
    }
    // Whoever reads may stop reading (`| head`).
    let _ = writeln!(std::io::stdout(), "{}", config::summary(&config));
    Ok(())
}

fn read(path: &Path) -> Result<Parsed, Failure> {
    let bad = |message: String| Failure { exit_code: serve::EXIT_CONFIG, message };
    let parsed = config_file::read(path).map_err(|problems| bad(problems.join("\n")))?;
    let lines = |problems: Vec<String>| {
        let lines: Vec<_> = problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
        bad(lines.join("\n"))
    };
    tls::open(&parsed.config).map_err(lines)?;
    Ok(parsed)
}

fn holds_secrets(config: &Config) -> bool {
    !config.accounts.is_empty() || !config.carriers.is_empty()
}
