//! A TCP proxy between the gateway and a carrier that does to the octets what networks do: it delays, stalls, dribbles, cuts,
//! resets and garbles them, as the test says.
//!
//! Two threads a connection, each with one buffer, that look at what is wanted at least every few milliseconds.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;

/// How often a thread that waits looks around.
const LOOK: Duration = Duration::from_millis(5);

/// Connections of one proxy; more are a mistake of the test.
const CONNECTIONS_MAX: usize = 1_000;

/// One direction of every connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    ToCarrier,
    ToGateway,
}

/// What happens in one direction. The counts are of the octets that a connection has passed on that way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Each piece waits so long.
    pub delay: Duration,
    /// Nothing is read and nothing passed on.
    pub is_stalled: bool,
    /// At most so many octets in ten milliseconds.
    pub dribble: Option<usize>,
    /// Octets of no PDU are put in behind so many.
    pub garbage_at: Option<u64>,
    /// The connection is reset behind so many.
    pub cut_at: Option<u64>,
}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    carrier: SocketAddr,
    faults: [Mutex<Faults>; 2],
    is_down: AtomicBool,
    lines: Mutex<Vec<Arc<Line>>>,
}

/// One connection through the proxy; closed when its threads and the list have let go of it.
struct Line {
    gateway: TcpStream,
    carrier: TcpStream,
    is_over: AtomicBool,
}

impl Proxy {
    pub fn to(carrier: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_down = AtomicBool::new(false);
        let shared = Arc::new(Shared { carrier, faults: Default::default(), is_down, lines: Mutex::default() });
        let (accepted, accepting) = (listener.try_clone().unwrap(), Arc::clone(&shared));
        let accepting = std::thread::spawn(move || accept(&accepted, &accepting));
        Self { address, shared, listener, accepting: Some(accepting) }
    }

    /// Changes what happens that way from now on, on connections that stand and on those to come.
    pub fn set(&self, way: Way, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.faults[way as usize].lock().unwrap());
    }

    /// Ends every connection with a RST.
    pub fn reset(&self) {
        for line in self.shared.lines.lock().unwrap().drain(..) {
            line.reset();
        }
    }

    /// Passes nothing more on that way, and says so; the other way goes on.
    pub fn half_close(&self, way: Way) {
        for line in self.shared.lines.lock().unwrap().iter() {
            // It may be over already.
            let _ = line.end(way).shutdown(Shutdown::Write);
        }
    }

    /// Connections are refused from now on, or taken again.
    pub fn set_down(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set_down(true);
        // Wakes the accepting thread.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        self.reset();
        if let Some(accepting) = self.accepting.take().filter(|_| !std::thread::panicking()) {
            let _ = accepting.join();
        }
    }
}

impl Line {
    /// Where what goes that way is written.
    fn end(&self, way: Way) -> &TcpStream {
        match way {
            Way::ToCarrier => &self.carrier,
            Way::ToGateway => &self.gateway,
        }
    }

    /// Where it is read.
    fn start(&self, way: Way) -> &TcpStream {
        match way {
            Way::ToCarrier => &self.gateway,
            Way::ToGateway => &self.carrier,
        }
    }

    /// Closed without lingering, a socket says RST.
    fn reset(&self) {
        for stream in [&self.gateway, &self.carrier] {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.is_over.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut pumps = Vec::new();
    while let Ok((gateway, _)) = listener.accept() {
        let carrier = match TcpStream::connect(shared.carrier) {
            Ok(carrier) if !shared.is_down.load(Ordering::SeqCst) => carrier,
            Ok(_) | Err(_) => {
                let _ = SockRef::from(&gateway).set_linger(Some(Duration::ZERO));
                continue;
            }
        };
        for stream in [&gateway, &carrier] {
            stream.set_read_timeout(Some(LOOK)).unwrap();
            stream.set_write_timeout(Some(LOOK)).unwrap();
            stream.set_nodelay(true).unwrap();
        }
        let line = Arc::new(Line { gateway, carrier, is_over: AtomicBool::new(false) });
        let mut lines = shared.lines.lock().unwrap();
        lines.retain(|line| !line.is_over());
        lines.push(Arc::clone(&line));
        drop(lines);
        for way in [Way::ToCarrier, Way::ToGateway] {
            let (line, shared) = (Arc::clone(&line), Arc::clone(shared));
            pumps.push(std::thread::spawn(move || pump(&line, way, &shared)));
        }
        assert!(pumps.len() <= 2 * CONNECTIONS_MAX, "too many connections");
    }
    shared.lines.lock().unwrap().drain(..).for_each(|line| line.reset());
    for pump in pumps {
        let _ = pump.join();
    }
}

/// Passes octets on one way until the connection is over.
fn pump(line: &Line, way: Way, shared: &Shared) {
    let faults = || *shared.faults[way as usize].lock().unwrap();
    let (mut octets, mut passed) = ([0; 16 << 10], 0);
    while !line.is_over() {
        let Faults { dribble, is_stalled, .. } = faults();
        if is_stalled {
            std::thread::park_timeout(LOOK);
            continue;
        }
        let most = dribble.unwrap_or(octets.len()).clamp(1, octets.len());
        let count = match line.start(way).read(&mut octets[..most]) {
            Ok(0) => {
                let _ = line.end(way).shutdown(Shutdown::Write);
                return;
            }
            Ok(count) => count,
            Err(error) if is_timeout(&error) => continue,
            Err(_) => return line.reset(),
        };
        // It may have been set while we waited.
        while faults().is_stalled && !line.is_over() {
            std::thread::park_timeout(LOOK);
        }
        let Faults { delay, dribble, garbage_at, cut_at, .. } = faults();
        let pause = delay + if dribble.is_some() { Duration::from_millis(10) } else { Duration::ZERO };
        if !pause.is_zero() {
            std::thread::park_timeout(pause);
        }
        let (start, end) = (passed, passed + count as u64);
        passed = end;
        let place = |at: Option<u64>| at.filter(|at| (start..end).contains(at)).map(|at| (at - start) as usize);
        let rest = match place(garbage_at) {
            Some(at) => {
                write(line, way, &octets[..at]);
                write(line, way, &[0xEE; 64]);
                at
            }
            None => 0,
        };
        match place(cut_at) {
            Some(at) => {
                write(line, way, &octets[rest.min(at)..at]);
                return line.reset();
            }
            None => write(line, way, &octets[rest..count]),
        }
    }
}

/// Writes it all, unless the connection is over first.
fn write(line: &Line, way: Way, mut octets: &[u8]) {
    let mut to = line.end(way);
    while !octets.is_empty() && !line.is_over() {
        match to.write(octets) {
            Ok(count) => octets = &octets[count..],
            Err(error) if is_timeout(&error) => {}
            Err(_) => line.reset(),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
