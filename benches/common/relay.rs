//! The bare relay every figure is held against: reads once, cuts every whole PDU, rewrites its sequence_number, writes
//! once, and does nothing else.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_lite::future::poll_fn;
use futures_lite::{AsyncRead, AsyncWrite};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use trunkline::runtime::pulse::Pulse;
use trunkline::runtime::sys;
use trunkline::smpp::command::SequenceNumber;
use trunkline::smpp::frame::Frame;

pub(crate) const BUFFER_LEN: usize = 64 << 10;
pub(crate) const MAX_PDU: usize = 16 << 10;

/// Applied to the sequence_number both ways: its own inverse, so the relay keeps no state.
const SEQUENCE_MASK: u32 = 0x0055_AA00;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// What the relay counted; the signal thread reads it.
#[derive(Default)]
pub(crate) struct Relayed {
    pub(crate) pdus: AtomicU64,
    turns: AtomicU64,
    cpu_us_at_start: AtomicU64,
}

pub(crate) fn executor(cpu: Option<usize>) -> LocalExecutorBuilder {
    LocalExecutorBuilder::new(cpu.map_or(Placement::Unbound, Placement::Fixed))
        .io_memory(64 << 10)
        .preempt_timer(Duration::from_millis(5))
}

/// Wakes this executor ten times a second, as the gateway's shards are (`runtime::pulse` says why).
pub(crate) fn keep_awake() -> Result<(), Failure> {
    let pulse = Pulse::start(1, Duration::from_millis(100))?;
    let wake = async move {
        loop {
            pulse.next(0).await;
        }
    };
    glommio::spawn_local(wake).detach();
    Ok(())
}

/// Relays until SIGTERM, then prints what it cost as JSON.
pub(crate) fn run(listen: SocketAddr, to: SocketAddr, cpu: Option<usize>) -> Result<(), Failure> {
    let relayed = Arc::new(Relayed::default());
    report_at_sigterm(Arc::clone(&relayed))?;
    executor(cpu).make()?.run(async move {
        keep_awake()?;
        let listener = TcpListener::bind(listen)?;
        println!("listening {}", listener.local_addr()?);
        let pulse = Pulse::start(1, Duration::from_millis(50))?;
        glommio::spawn_local(pulse.keep_awake(0)).detach();
        relay(listener, to, relayed).await
    })
}

pub(crate) async fn relay(listener: TcpListener, to: SocketAddr, relayed: Arc<Relayed>) -> Result<(), Failure> {
    loop {
        let near = listener.accept().await?;
        let _ = relayed.cpu_us_at_start.compare_exchange(0, cpu_us(), Relaxed, Relaxed);
        let far = TcpStream::connect(to).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let (near, far) = (Rc::new(RefCell::new(near)), Rc::new(RefCell::new(far)));
        glommio::spawn_local(relay_one_way(Rc::clone(&near), Rc::clone(&far), Arc::clone(&relayed))).detach();
        glommio::spawn_local(relay_one_way(far, near, Arc::clone(&relayed))).detach();
    }
}

async fn relay_one_way(from: Rc<RefCell<TcpStream>>, to: Rc<RefCell<TcpStream>>, relayed: Arc<Relayed>) {
    turns(
        &from,
        &to,
        |frame, out| {
            Frame { sequence: SequenceNumber(frame.sequence.0 ^ SEQUENCE_MASK), ..frame }.write(out);
        },
        |pdus| {
            relayed.pdus.fetch_add(pdus, Relaxed);
            relayed.turns.fetch_add(1, Relaxed);
        },
    )
    .await;
    let _ = poll_fn(|cx| Pin::new(&mut *to.borrow_mut()).poll_close(cx)).await;
}

/// Reads once, has every whole PDU handled, writes once; ends with the connection.
pub(crate) async fn turns(
    from: &RefCell<TcpStream>,
    to: &RefCell<TcpStream>,
    mut handle: impl FnMut(Frame<'_>, &mut Vec<u8>),
    count: impl Fn(u64),
) {
    let (mut buffer, mut out, mut held) = (vec![0; BUFFER_LEN], Vec::with_capacity(BUFFER_LEN), 0);
    loop {
        let Ok(read @ 1..) = read(from, &mut buffer[held..]).await else { return };
        held += read;
        let (mut used, mut pdus) = (0, 0);
        while let Ok(Some(frame)) = Frame::cut(&buffer[used..held], MAX_PDU) {
            used += frame.len();
            pdus += 1;
            handle(frame, &mut out);
        }
        count(pdus);
        buffer.copy_within(used..held, 0);
        held -= used;
        if write_all(to, &out).await.is_err() {
            return;
        }
        out.clear();
        glommio::executor().yield_if_needed().await;
    }
}

pub(crate) async fn read(stream: &RefCell<TcpStream>, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *stream.borrow_mut()).poll_read(cx, buffer)).await
}

pub(crate) async fn write_all(stream: &RefCell<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream.borrow_mut()).poll_write(cx, bytes)).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn report_at_sigterm(relayed: Arc<Relayed>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM])?;
    std::thread::spawn(move || {
        signals.forever().next();
        let cpu_us = cpu_us() - relayed.cpu_us_at_start.load(Relaxed);
        let report = serde_json::json!({
            "pdus": relayed.pdus.load(Relaxed), "turns": relayed.turns.load(Relaxed), "cpu_s": cpu_us as f64 / 1e6,
        });
        println!("{report}");
        std::process::exit(0);
    });
    Ok(())
}

fn cpu_us() -> u64 {
    u64::try_from(sys::process_cpu().as_micros()).unwrap_or(u64::MAX)
}
