//! The whole beside the floor, in one run: the CPU time a message's full cycle costs the gateway, and what the same cycle
//! costs a bare relay in its place.
//!
//! A full cycle is submit_sm, its answer, the receipt and its answer: `trunkline load --dlr` against `trunkline smsc`, with
//! the relay or `trunkline serve` between them, turn and turn about. All processes share one core unless `--unpinned`:
//! waking an idle one costs more than the work, and varies with what else runs. `just ratio` runs it; without arguments it
//! is a small test of itself, for CI.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[path = "common/middles.rs"]
mod middles;
#[path = "common/processes.rs"]
mod processes;
#[path = "common/relay.rs"]
mod relay;

use processes::{Failure, Site};

/// Messages of the small test.
const SMALL: u64 = 2_000;

#[derive(Parser)]
#[command(about = "The gateway's CPU time per full cycle, beside a bare relay's")]
struct Args {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Runs of each, relay and gateway in turn
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Messages of a run with full windows
    #[arg(long, default_value_t = 500_000)]
    count: u64,
    /// Length of a run at a fixed rate
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// The core all processes share
    #[arg(long, default_value_t = 0)]
    cpu: usize,
    /// Leave the processes to the kernel instead
    #[arg(long)]
    unpinned: bool,
    /// Only rows whose name begins so: 4x100, 64x10, 30000/s, 2000/s
    #[arg(long, default_value = "")]
    row: String,
    /// Measure; given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Mode {
    /// Relays until SIGTERM: how the measurement starts the floor.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
    },
}

/// One kind of work.
struct Row {
    name: &'static str,
    binds: u32,
    window: u32,
    /// Messages a second; `None`: as fast as the windows allow.
    rate: Option<u64>,
    /// The gateway's links to the carrier.
    links: u32,
}

const ROWS: [Row; 4] = [
    Row { name: "4x100", binds: 4, window: 100, rate: None, links: 4 },
    Row { name: "64x10", binds: 64, window: 10, rate: None, links: 8 },
    Row { name: "30000/s", binds: 4, window: 100, rate: Some(30_000), links: 4 },
    Row { name: "2000/s", binds: 4, window: 100, rate: Some(2_000), links: 4 },
];

/// What stands between load and carrier.
#[derive(Clone, Copy, PartialEq)]
enum Middle {
    Relay,
    /// Its account and its carrier at home on one shard, or on two; what an acknowledgement survives.
    Gateway {
        shards: u16,
        durability: &'static str,
    },
}

impl std::fmt::Display for Middle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Relay => f.write_str("relay"),
            Self::Gateway { shards: 1, durability } => write!(f, "1 shard, {durability}"),
            Self::Gateway { shards, durability } => write!(f, "{shards} shards, homes apart, {durability}"),
        }
    }
}

const GATEWAYS: [Middle; 3] = [
    Middle::Gateway { shards: 1, durability: "fsync" },
    Middle::Gateway { shards: 1, durability: "process" },
    Middle::Gateway { shards: 2, durability: "fsync" },
];

/// What one run came to.
#[derive(Clone, Copy)]
struct Run {
    us_per_cycle: f64,
    per_second: f64,
    answer_p50_us: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.mode {
        Some(Mode::Relay { listen, to }) => relay::run(listen, to, None),
        None if args.bench => measure(&args),
        None => check_itself(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratio: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every row, `pairs` times relay and gateways in turn, as a table.
fn measure(args: &Args) -> Result<(), Failure> {
    let site = Site::new((!args.unpinned).then_some(args.cpu))?;
    let place = site.cpu.map_or("no pinning".to_owned(), |cpu| format!("all processes on core {cpu}"));
    println!("CPU time per full cycle, {} pairs of runs, {place}; min and median in us", args.pairs);
    println!(
        "| work | gateway | floor min | median | gateway min | median | ratio min | median | cycles/s | answer p50 | over the floor |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for row in ROWS.iter().filter(|row| row.name.starts_with(&args.row)) {
        let mut floors = Vec::new();
        let mut gateways = GATEWAYS.map(|_| Vec::new());
        for _ in 0..args.pairs.clamp(1, 100) {
            let flags = row.flags(args);
            floors.push(run_once(&site, row, Middle::Relay, &flags)?);
            for (middle, runs) in GATEWAYS.into_iter().zip(&mut gateways) {
                runs.push(run_once(&site, row, middle, &flags)?);
            }
        }
        for (middle, runs) in GATEWAYS.iter().zip(&gateways) {
            print_row(row, *middle, &floors, runs);
        }
    }
    Ok(())
}

impl Row {
    fn flags(&self, args: &Args) -> String {
        let (binds, window) = (self.binds, self.window);
        match self.rate {
            None => format!("--binds {binds} --window {window} --count {}", args.count),
            Some(rate) => format!("--binds {binds} --window {window} --rate {rate} --duration {}s", args.seconds),
        }
    }
}

fn run_once(site: &Site, row: &Row, middle: Middle, flags: &str) -> Result<Run, Failure> {
    run_to_its_end(site, row, middle, flags)
        .map_err(|error| format!("{} through the {middle}: {error}", row.name).into())
}

/// Carrier, middle and load from start to end; only the middle's CPU time between load's start and end is counted.
fn run_to_its_end(site: &Site, row: &Row, middle: Middle, flags: &str) -> Result<Run, Failure> {
    let (carrier, carrier_at) = site.smsc()?;
    let (between, at) = match middle {
        Middle::Relay => site.relay(carrier_at)?,
        Middle::Gateway { shards, durability } => site.gateway(carrier_at, shards, durability, row.links)?,
    };
    let before = between.cpu_ns()?;
    let report = site.load(at, flags)?;
    let spent = between.cpu_ns()? - before;
    between.end()?;
    carrier.end()?;
    let number = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_f64);
    let matched = number("/receipts_matched").ok_or("no receipts in the report")?;
    if number("/accepted") != Some(matched) || matched < 1.0 {
        return Err(format!("the run was not complete: {report}").into());
    }
    Ok(Run {
        us_per_cycle: spent as f64 / 1e3 / matched,
        per_second: number("/submits_per_second").unwrap_or(0.0),
        answer_p50_us: number("/answer_latency/p50_us").unwrap_or(0.0),
    })
}

fn print_row(row: &Row, middle: Middle, floors: &[Run], gateways: &[Run]) {
    let cost = |run: &Run| run.us_per_cycle;
    let (floor, gateway) = (Spread::of(floors.iter().map(cost)), Spread::of(gateways.iter().map(cost)));
    // Each gateway's run beside the relay's run right before it: what the machine did then, it did to both.
    let pairs = gateways.iter().zip(floors);
    let ratio = Spread::of(pairs.map(|(gateway, floor)| gateway.us_per_cycle / floor.us_per_cycle));
    let per_second = Spread::of(gateways.iter().map(|run| run.per_second)).median;
    let answer = |runs: &[Run]| Spread::of(runs.iter().map(|run| run.answer_p50_us)).median;
    let over = answer(gateways) - answer(floors);
    println!(
        "| {} | {middle} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {per_second:.0} | {:.0} us | {over:+.0} us |",
        row.name,
        floor.min,
        floor.median,
        gateway.min,
        gateway.median,
        ratio.min,
        ratio.median,
        answer(gateways),
    );
}

struct Spread {
    min: f64,
    median: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self { min: values[0], median: values[values.len() / 2] }
    }
}

/// A small run through the relay and through both gateways: everything must come back.
fn check_itself() -> Result<(), Failure> {
    let site = Site::new(None)?;
    let row = &ROWS[0];
    let flags = format!("--binds {} --window {} --count {SMALL}", row.binds, row.window);
    for middle in [Middle::Relay].into_iter().chain(GATEWAYS) {
        let run = run_once(&site, row, middle, &flags)?;
        println!("ratio: {SMALL} full cycles through the {middle}, {:.2} us of CPU each", run.us_per_cycle);
    }
    Ok(())
}
