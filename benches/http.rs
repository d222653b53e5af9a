//! HTTP beside its floor, in one run: the CPU time a request costs the gateway, and what one costs a bare echo of hyper on the same
//! runtime.
//!
//! A request submits one message of one segment: it is read, authenticated, sent to `trunkline smsc`, kept, and answered. So many
//! keep-alive connections ask as fast as they are answered, or at a fixed rate. Without arguments it is a small test of itself, for CI;
//! `just http` measures.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Parser, Subcommand};
use trunkline::runtime::clock::monotonic_ns;

#[path = "common/echo.rs"]
mod echo;
#[path = "common/processes.rs"]
mod processes;
#[path = "common/web_servers.rs"]
mod web_servers;

use processes::{Failure, Process, Site};

const SMALL: u64 = 500;
const BODY: &str = r#"{"to":"4917012345678","from":"ACME","text":"Your code is 482913. It is valid for ten minutes."}"#;

#[derive(Parser)]
#[command(about = "The gateway's CPU time per HTTP request, beside a bare echo's")]
struct Args {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Runs of each, in turn
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Requests of a run
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Keep-alive connections
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// The core all processes share
    #[arg(long, default_value_t = 0)]
    cpu: usize,
    /// Leave the processes to the kernel instead
    #[arg(long)]
    unpinned: bool,
    /// Measure; given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Mode {
    /// Answers every request until SIGTERM: how the measurement starts the floor.
    #[command(hide = true)]
    Echo {
        #[arg(long)]
        listen: SocketAddr,
    },
}

/// Who answers.
#[derive(Clone, Copy)]
enum Server {
    Echo,
    Gateway { shards: u16, durability: &'static str },
}

const SERVERS: [Server; 4] = [
    Server::Echo,
    Server::Gateway { shards: 1, durability: "process" },
    Server::Gateway { shards: 1, durability: "fsync" },
    Server::Gateway { shards: 2, durability: "process" },
];

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Echo => f.write_str("bare echo"),
            Self::Gateway { shards: 1, durability } => write!(f, "1 shard, {durability}"),
            Self::Gateway { shards, durability } => write!(f, "{shards} shards, {durability}"),
        }
    }
}

/// What one run came to.
struct Run {
    us_per_request: f64,
    per_second: f64,
    p50_us: u64,
    p99_us: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.mode {
        Some(Mode::Echo { listen }) => echo::run(listen),
        None if args.bench => measure(&args),
        None => check_itself(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<(), Failure> {
    let site = Site::new((!args.unpinned).then_some(args.cpu))?;
    println!("{} requests on {} connections, {} runs of each in turn", args.count, args.connections, args.pairs);
    println!(
        "| who answers | CPU us a request, least | median | over the echo, median | requests/s | p50 us | p99 us |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut runs = SERVERS.map(|_| Vec::new());
    for _ in 0..args.pairs.clamp(1, 100) {
        for (server, runs) in SERVERS.into_iter().zip(&mut runs) {
            runs.push(run_once(&site, server, args.connections, args.count)?);
        }
    }
    let floors: Vec<f64> = runs[0].iter().map(|run| run.us_per_request).collect();
    for (server, runs) in SERVERS.into_iter().zip(&runs) {
        let costs = || runs.iter().map(|run| run.us_per_request);
        let ratio = median(costs().zip(&floors).map(|(cost, floor)| cost / floor));
        let (least, of) = (costs().fold(f64::MAX, f64::min), |figure: fn(&Run) -> f64| median(runs.iter().map(figure)));
        println!(
            "| {server} | {least:.2} | {:.2} | {ratio:.2} | {:.0} | {:.0} | {:.0} |",
            median(costs()),
            of(|run| run.per_second),
            of(|run| run.p50_us as f64),
            of(|run| run.p99_us as f64),
        );
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A small run of each: every request must be answered with 200.
fn check_itself() -> Result<(), Failure> {
    let site = Site::new(None)?;
    for server in SERVERS {
        let run = run_once(&site, server, 8, SMALL)?;
        println!("http: {SMALL} requests to the {server}, {:.1} us of CPU each", run.us_per_request);
    }
    Ok(())
}

fn run_once(site: &Site, server: Server, connections: u64, count: u64) -> Result<Run, Failure> {
    let failed = |error: Failure| -> Failure { format!("{server}: {error}").into() };
    match server {
        Server::Echo => {
            let (echo, at) = site.echo().map_err(failed)?;
            ask_all(echo, at, connections, count).map_err(failed)
        }
        Server::Gateway { shards, durability } => {
            let (carrier, carrier_at) = site.smsc().map_err(failed)?;
            let (gateway, at) = site.web_gateway(carrier_at, (shards, durability)).map_err(failed)?;
            let run = ask_all(gateway, at, connections, count).map_err(failed)?;
            carrier.end()?;
            Ok(run)
        }
    }
}

/// Every connection is a thread that asks and waits; only the server's CPU time is counted.
fn ask_all(server: Process, at: SocketAddr, connections: u64, count: u64) -> Result<Run, Failure> {
    // Warm, and each connection open, before anything counts.
    ask(at, &AtomicU64::new(10))?;
    let left = Arc::new(AtomicU64::new(count));
    let (before, began) = (server.cpu_ns()?, monotonic_ns());
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let left = Arc::clone(&left);
            std::thread::spawn(move || ask(at, &left).map_err(|error| error.to_string()))
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in threads {
        latencies.extend(thread.join().map_err(|_| "a connection's thread panicked")??);
    }
    let (spent, took) = (server.cpu_ns()? - before, monotonic_ns() - began);
    server.end()?;
    latencies.sort_unstable();
    let of = |part: usize| latencies.get(latencies.len() * part / 100).map_or(0, |latency| latency / 1_000);
    let asked = latencies.len() as f64;
    Ok(Run {
        us_per_request: spent as f64 / 1e3 / asked,
        per_second: asked * 1e9 / took as f64,
        p50_us: of(50),
        p99_us: of(99),
    })
}

/// Asks on one connection as long as anything is left; how many nanoseconds each took.
fn ask(at: SocketAddr, left: &AtomicU64) -> Result<Vec<u64>, Failure> {
    let stream = TcpStream::connect(at)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = &stream;
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic YmVuY2g6YmVuY2g=\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut latencies = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let began = monotonic_ns();
        writer.write_all(request.as_bytes())?;
        read_answer(&mut reader)?;
        latencies.push(monotonic_ns() - began);
    }
    Ok(latencies)
}

fn read_answer(reader: &mut BufReader<TcpStream>) -> Result<(), Failure> {
    let (mut line, mut length, mut status) = (String::new(), 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if status.is_empty() {
            status = line.trim_end().to_owned();
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if status.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into())
}
