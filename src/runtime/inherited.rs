//! Listening sockets that whoever started us holds open (sd_listen_fds(3), `trunkline.socket`): while one process goes and the next
//! comes, who connects waits in the socket's backlog and is not refused.

use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::Socket;

use crate::runtime::mesh::Speaks;
use crate::runtime::sys;

/// The first descriptor that is handed over.
const FIRST: i32 = 3;
/// More is no count but a mistake.
const MOST: i32 = 256;

/// What was handed over and is not taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    /// Of `FileDescriptorName=`; the unit's own name where that is not set.
    name: String,
    address: SocketAddr,
    socket: TcpListener,
}

impl Inherited {
    /// What the environment says was handed to this process.
    pub fn of_environment() -> Result<Self, String> {
        let variable = |name: &str| env::var(name).ok();
        let Some((count, names)) = read_environment(variable, std::process::id())? else { return Ok(Self::default()) };
        let mut sockets = Vec::new();
        for (number, name) in (FIRST..FIRST + count).zip(names) {
            let given = sys::inherited(number).map(Socket::from).and_then(|socket| take(name, socket));
            sockets.push(given.map_err(|error| format!("descriptor {number} that was handed over: {error}"))?);
        }
        Ok(Self { sockets })
    }

    /// The one for this address of the configuration, which says what is spoken there.
    pub fn take(&mut self, address: SocketAddr, speaks: Speaks, is_tls: bool) -> Option<TcpListener> {
        let is_it = |given: &Given| may_be(&given.name, speaks, is_tls) && is_at(given.address, address);
        let at = self.sockets.iter().position(is_it)?;
        let Given { name, address, socket } = self.sockets.swap_remove(at);
        tracing::info!(%address, name, "listening on a socket that was handed over");
        Some(socket)
    }

    /// Nobody would accept what connects to a socket that nobody took.
    pub fn finish(self) -> Result<(), String> {
        let left: Vec<String> =
            self.sockets.iter().map(|given| format!("{} ({})", given.address, given.name)).collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(format!(
            "handed over and not listened on: {}; the addresses of the socket unit must be those of `listen` in the configuration",
            left.join(", ")
        ))
    }
}

/// How many descriptors, and their names; `None` when none are for this process.
fn read_environment(
    variable: impl Fn(&str) -> Option<String>,
    process: u32,
) -> Result<Option<(i32, Vec<String>)>, String> {
    let number =
        |name: &str| variable(name).map(|text| text.parse::<u32>().map_err(|_| format!("{name} is no number")));
    // Whoever inherited the variables along with the environment has no such descriptors.
    if number("LISTEN_PID").transpose()? != Some(process) {
        return Ok(None);
    }
    let count = number("LISTEN_FDS").transpose()?.and_then(|count| i32::try_from(count).ok()).unwrap_or(i32::MAX);
    if count > MOST {
        return Err(format!("LISTEN_FDS must be at most {MOST}"));
    }
    let mut names: Vec<String> = match variable("LISTEN_FDNAMES") {
        Some(names) => names.split(':').map(str::to_owned).collect(),
        None => Vec::new(),
    };
    names.resize(usize::try_from(count).unwrap_or(0), "unknown".to_owned());
    Ok(Some((count, names)))
}

fn take(name: String, socket: Socket) -> io::Result<Given> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    let address = socket.local_addr()?.as_socket().ok_or_else(|| bad("no TCP socket"))?;
    if !socket.is_listener()? {
        return Err(bad("nobody listens on it"));
    }
    // As `socket::listen` leaves ours.
    socket.set_nonblocking(false)?;
    Ok(Given { name, address, socket: socket.into() })
}

/// A name that says what is spoken is believed; any other, as a unit's own, says nothing.
fn may_be(name: &str, speaks: Speaks, is_tls: bool) -> bool {
    match name {
        "smpp" => speaks == Speaks::Smpp && !is_tls,
        "smpp-tls" => speaks == Speaks::Smpp && is_tls,
        "http" => speaks == Speaks::Http && !is_tls,
        "https" => speaks == Speaks::Http && is_tls,
        _ => true,
    }
}

/// `ListenStream=2775` is `[::]:2775`, which takes IPv4 too.
fn is_at(given: SocketAddr, configured: SocketAddr) -> bool {
    let any = |address: SocketAddr| address.ip().is_unspecified();
    given == configured || (given.is_ipv6() && any(given) && any(configured) && given.port() == configured.port())
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    fn read(pid: &str, fds: &str, names: Option<&str>) -> Result<Option<(i32, Vec<String>)>, String> {
        let variable = |name: &str| match name {
            "LISTEN_PID" => Some(pid.to_owned()),
            "LISTEN_FDS" => Some(fds.to_owned()),
            _ => names.map(str::to_owned),
        };
        read_environment(variable, 7)
    }

    #[test]
    fn only_what_is_meant_for_this_process_is_taken() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(read("7", "2", Some("smpp:http")), Ok(Some((2, names(&["smpp", "http"])))));
        assert_eq!(read("7", "2", Some("smpp")), Ok(Some((2, names(&["smpp", "unknown"])))));
        assert_eq!(read("7", "1", None), Ok(Some((1, names(&["unknown"])))));
        assert_eq!(read("8", "1", None), Ok(None));
        assert_eq!(read_environment(|_| None, 7), Ok(None));
        for (pid, fds) in [("seven", "1"), ("7", "many"), ("7", "100000"), ("7", "-1")] {
            assert!(read(pid, fds, None).is_err(), "{pid} {fds}");
        }
    }

    fn given(name: &str, address: &str) -> Given {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Given { name: name.to_owned(), address: address.parse().unwrap(), socket }
    }

    #[test]
    fn a_socket_goes_to_its_address_and_one_that_is_left_is_named() {
        let mut inherited = Inherited {
            sockets: vec![
                given("smpp", "[::]:2775"),
                given("trunkline.socket", "127.0.0.1:8080"),
                given("https", "[::]:443"),
            ],
        };
        let mut take =
            |address: &str, speaks, is_tls| inherited.take(address.parse().unwrap(), speaks, is_tls).is_some();
        assert!(!take("0.0.0.0:2776", Speaks::Smpp, false), "another port");
        assert!(!take("192.0.2.1:2775", Speaks::Smpp, false), "an address of its own");
        assert!(!take("0.0.0.0:2775", Speaks::Smpp, true), "its name says that it is in clear");
        assert!(take("0.0.0.0:2775", Speaks::Smpp, false));
        assert!(!take("0.0.0.0:2775", Speaks::Smpp, false), "once");
        assert!(take("127.0.0.1:8080", Speaks::Http, false));
        let left = inherited.finish().unwrap_err();
        assert!(left.starts_with("handed over and not listened on: [::]:443 (https);"), "{left}");
        assert_eq!(Inherited::default().finish(), Ok(()));
    }

    #[test]
    fn only_tcp_sockets_that_listen_are_listened_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let given = take("smpp".to_owned(), listener.into()).unwrap();
        assert_eq!(given.address, address);
        let refused = |descriptor: OwnedFd| take(String::new(), descriptor.into()).unwrap_err().to_string();
        assert!(refused(std::net::TcpStream::connect(address).unwrap().into()).contains("nobody listens"));
        assert!(refused(std::os::unix::net::UnixDatagram::unbound().unwrap().into()).contains("no TCP"));
        assert!(take(String::new(), Socket::from(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()))).is_err());
    }
}
