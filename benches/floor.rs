//! The floor under every figure: a bare relay on the same runtime, which reads once, cuts every whole PDU, rewrites its
//! sequence_number, writes once, and does nothing else.
//!
//! `cargo bench --bench floor -- measure --shape 4x100` runs client, relay and sink as three processes and prints the
//! relay's CPU time per message (a submit_sm and its answer). Without arguments it is a small test of itself, for CI.
//! Under `taskset -c 0` runs agree within 3 %; else the price of waking an idle core can be four times all the rest.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use clap::{Parser, Subcommand};
use glommio::net::{TcpListener, TcpStream};
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::{Frame, write_header};

#[path = "common/relay.rs"]
mod relay;

use relay::{BUFFER_LEN, Failure, MAX_PDU, Relayed, executor, keep_awake, read, turns, write_all};

#[derive(Parser)]
#[command(about = "The floor: a bare SMPP relay on glommio, and what it costs per message")]
struct Args {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Mode {
    /// Relays until SIGTERM, then prints what it cost as JSON.
    Relay {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
        #[arg(long)]
        cpu: Option<usize>,
    },
    /// Answers every submit_sm until SIGTERM.
    Sink {
        #[arg(long)]
        listen: SocketAddr,
    },
    /// Submits `count` messages, window full, and exits when all are answered.
    Client {
        #[arg(long)]
        to: SocketAddr,
        #[arg(long)]
        count: u64,
        #[arg(long)]
        shape: Shape,
    },
    /// Runs the three as processes, several times, and prints the relay's CPU time per message.
    Measure {
        #[arg(long, default_value_t = 2_000_000)]
        count: u64,
        #[arg(long, default_value = "4x100")]
        shape: Shape,
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Core of the relay; absent: the kernel's choice.
        #[arg(long)]
        cpu: Option<usize>,
    },
}

/// Connections x window of each.
#[derive(Clone, Copy)]
struct Shape {
    connections: u64,
    window: u64,
}

impl std::str::FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (connections, window) = text.split_once('x').ok_or("a shape is CONNECTIONSxWINDOW, as 4x100")?;
        let number = |part: &str| part.parse().ok().filter(|n| (1..=100_000).contains(n)).ok_or("1..100000".to_owned());
        Ok(Self { connections: number(connections)?, window: number(window)? })
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.connections, self.window)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.mode {
        Some(Mode::Relay { listen, to, cpu }) => relay::run(listen, to, cpu),
        Some(Mode::Sink { listen }) => run_sink(listen),
        Some(Mode::Client { to, count, shape }) => {
            executor(None).make().map_err(Failure::from).and_then(|ex| ex.run(run_client(to, count, shape)))
        }
        Some(Mode::Measure { count, shape, runs, cpu }) => measure(count, shape, runs, cpu),
        None => check_itself(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_sink(listen: SocketAddr) -> Result<(), Failure> {
    executor(None).make()?.run(async move {
        keep_awake()?;
        let listener = TcpListener::bind(listen)?;
        println!("listening {}", listener.local_addr()?);
        sink(listener).await
    })
}

async fn sink(listener: TcpListener) -> Result<(), Failure> {
    loop {
        let stream = listener.accept().await?;
        stream.set_nodelay(true)?;
        glommio::spawn_local(answer(RefCell::new(stream))).detach();
    }
}

async fn answer(stream: RefCell<TcpStream>) {
    const MESSAGE_ID: &[u8] = b"00000000deadbeef\0";
    turns(
        &stream,
        &stream,
        |frame, out| {
            write_header(out, frame.command.response(), CommandStatus::ROK, frame.sequence, MESSAGE_ID.len());
            out.extend_from_slice(MESSAGE_ID);
        },
        |_| (),
    )
    .await;
}

async fn run_client(to: SocketAddr, count: u64, shape: Shape) -> Result<(), Failure> {
    keep_awake()?;
    client(to, count, shape).await
}

async fn client(to: SocketAddr, count: u64, shape: Shape) -> Result<(), Failure> {
    let share = |i| count / shape.connections + u64::from(i < count % shape.connections);
    let connections: Vec<_> =
        (0..shape.connections).map(|i| glommio::spawn_local(submit(to, share(i), shape.window))).collect();
    for connection in connections {
        connection.await?;
    }
    Ok(())
}

/// Submits `count` messages, at most `window` unanswered, and checks that each answer is the next one's.
async fn submit(to: SocketAddr, count: u64, window: u64) -> Result<(), String> {
    let stream = TcpStream::connect(to).await.map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let stream = RefCell::new(stream);
    let (mut buffer, mut out, mut held) = (vec![0; BUFFER_LEN], Vec::new(), 0);
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered < window {
            sent += 1;
            write_submit(&mut out, sent);
        }
        write_all(&stream, &out).await.map_err(|e| e.to_string())?;
        out.clear();
        let read = read(&stream, &mut buffer[held..]).await.map_err(|e| e.to_string())?;
        if read == 0 {
            return Err(format!("closed after {answered} of {count} answers"));
        }
        held += read;
        let mut used = 0;
        while let Some(frame) = Frame::cut(&buffer[used..held], MAX_PDU).map_err(|e| format!("{e:?}"))? {
            used += frame.len();
            answered += 1;
            if (frame.command, u64::from(frame.sequence.0)) != (CommandId::SUBMIT_SM_RESP, answered) {
                return Err(format!("answer {answered} is {frame:?}"));
            }
        }
        buffer.copy_within(used..held, 0);
        held -= used;
    }
    Ok(())
}

/// A submit_sm of 106 octets, 40 of them text.
fn write_submit(out: &mut Vec<u8>, sequence: u64) {
    const BODY: &[u8] =
        b"\0\x05\0TRUNKLINE\0\x01\x01447700900123\0\0\0\0\0\0\x01\0\0\0\x28the quick brown fox jumps over a lazy dog";
    let sequence = SequenceNumber(u32::try_from(sequence).expect("a run is shorter than 2^31 messages"));
    write_header(out, CommandId::SUBMIT_SM, CommandStatus::ROK, sequence, BODY.len());
    out.extend_from_slice(BODY);
}

fn measure(count: u64, shape: Shape, runs: usize, cpu: Option<usize>) -> Result<(), Failure> {
    let costs = (0..runs.clamp(1, 100)).map(|_| measure_once(count, shape, cpu));
    let mut costs = costs.collect::<Result<Vec<f64>, _>>()?;
    let listed: Vec<String> = costs.iter().map(|cost| format!("{cost:.3}")).collect();
    costs.sort_by(f64::total_cmp);
    println!(
        "floor {shape}, {count} messages: relay CPU per message, min {:.3} us, median {:.3} us (runs: {})",
        costs[0],
        costs[costs.len() / 2],
        listed.join(" ")
    );
    Ok(())
}

/// The relay's CPU microseconds per message in one run.
fn measure_once(count: u64, shape: Shape, cpu: Option<usize>) -> Result<f64, Failure> {
    let sink = Part::start(&["sink", "--listen", "127.0.0.1:0"])?;
    let pin = cpu.map(|cpu| ["--cpu".to_owned(), cpu.to_string()]);
    let mut arguments = vec!["relay", "--listen", "127.0.0.1:0", "--to", &sink.address];
    arguments.extend(pin.iter().flatten().map(String::as_str));
    let mut relay = Part::start(&arguments)?;
    let client = Command::new(std::env::current_exe()?)
        .args(["client", "--to", &relay.address, "--count", &count.to_string(), "--shape", &shape.to_string()])
        .status()?;
    Command::new("kill").args(["-TERM", &relay.process.id().to_string()]).status()?;
    let mut report = String::new();
    relay.out.read_line(&mut report)?;
    let report: serde_json::Value = serde_json::from_str(&report)?;
    if !client.success() || report["pdus"].as_u64() != Some(2 * count) {
        return Err(format!("the run was not complete: {report}").into());
    }
    println!("{report}");
    Ok(report["cpu_s"].as_f64().ok_or("no cpu_s")? * 1e6 / count as f64)
}

/// This program again, in another mode; ended when dropped.
struct Part {
    process: Child,
    out: BufReader<ChildStdout>,
    /// Where it says it listens.
    address: String,
}

impl Part {
    fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
        let out = BufReader::new(process.stdout.take().ok_or("no stdout")?);
        let mut part = Self { process, out, address: String::new() };
        let mut line = String::new();
        part.out.read_line(&mut line)?;
        part.address = line.trim().strip_prefix("listening ").ok_or("a part of the run did not start")?.to_owned();
        Ok(part)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All three in one process and on one executor: every message must come back.
fn check_itself() -> Result<(), Failure> {
    let (shape, count) = (Shape { connections: 4, window: 100 }, 2_000);
    let relayed = Arc::new(Relayed::default());
    let counted = Arc::clone(&relayed);
    executor(None).make()?.run(async move {
        keep_awake()?;
        let (sink_side, relay_side) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (sink_at, relay_at) = (sink_side.local_addr()?, relay_side.local_addr()?);
        glommio::spawn_local(async move { sink(sink_side).await.map_err(|e| e.to_string()) }).detach();
        glommio::spawn_local(
            async move { relay::relay(relay_side, sink_at, relayed).await.map_err(|e| e.to_string()) },
        )
        .detach();
        client(relay_at, count, shape).await
    })?;
    assert_eq!(counted.pdus.load(Relaxed), 2 * count, "every submit and every answer passes the relay once");
    println!("floor: {count} messages at {shape} came back, {} PDUs relayed", counted.pdus.load(Relaxed));
    Ok(())
}
