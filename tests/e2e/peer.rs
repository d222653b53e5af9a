//! One SMPP connection in the hands of a test: an ESME's, or a carrier's accepted one. It sends what it is told, sound or not,
//! and waits for what comes with a timeout.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::{self, Bind, BindMode, ShortMessage};
use trunkline::smpp::view::Address;

/// Nothing the gateway does of itself takes longer, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub const ROK: u32 = 0;
pub const RSYSERR: u32 = 8;

/// A PDU with its own octets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pdu {
    pub command: CommandId,
    pub status: u32,
    pub sequence: u32,
    pub body: Vec<u8>,
}

impl Pdu {
    pub fn new(command: CommandId, status: u32, sequence: u32, body: &[u8]) -> Self {
        Self { command, status, sequence, body: body.to_vec() }
    }

    pub fn octets(&self) -> Vec<u8> {
        let (status, sequence) = (CommandStatus(self.status), SequenceNumber(self.sequence));
        let mut out = Vec::new();
        Frame { command: self.command, status, sequence, body: &self.body }.write(&mut out);
        out
    }

    /// The message_id of a submit_sm_resp.
    pub fn id(&self) -> String {
        String::from_utf8(pdu::submit_sm_resp_id(&self.body).to_vec()).unwrap()
    }
}

pub struct Peer<S = TcpStream> {
    pub stream: S,
    unread: Vec<u8>,
    next: u32,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::within(stream)
    }

    pub fn shutdown(&self) {
        // The gateway may have closed first.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl<S: Read + Write> Peer<S> {
    /// Over a stream that waits no longer than `PATIENCE`.
    pub fn within(stream: S) -> Self {
        Self { stream, unread: Vec::new(), next: 0 }
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    pub fn send_pdu(&mut self, pdu: &Pdu) {
        self.send(&pdu.octets());
    }

    /// Sends a request under the next number, which is returned.
    pub fn request(&mut self, command: CommandId, body: &[u8]) -> u32 {
        self.next += 1;
        self.send_pdu(&Pdu::new(command, ROK, self.next, body));
        self.next
    }

    pub fn answer(&mut self, request: &Pdu, status: u32, body: &[u8]) {
        self.send_pdu(&Pdu::new(request.command.response(), status, request.sequence, body));
    }

    /// The next PDU; `None` when the connection has ended.
    pub fn read(&mut self) -> Option<Pdu> {
        loop {
            if let Some(pdu) = self.cut() {
                return Some(pdu);
            }
            let mut octets = [0; 4096];
            match self.stream.read(&mut octets) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&octets[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    /// The next PDU, which must be there and be this command.
    pub fn expect(&mut self, command: CommandId) -> Pdu {
        let pdu = self.read().unwrap_or_else(|| panic!("closed instead of {command:x?}"));
        assert_eq!(pdu.command, command, "{pdu:x?}");
        pdu
    }

    /// The next PDU must be this answer.
    pub fn expect_answer(&mut self, command: CommandId, status: u32, sequence: u32) -> Pdu {
        let pdu = self.expect(command);
        assert_eq!((pdu.status, pdu.sequence), (status, sequence), "status and sequence of {pdu:x?}");
        pdu
    }

    /// The gateway closes without another word.
    pub fn expect_close(&mut self) {
        assert_eq!(self.read(), None, "a close was expected");
    }

    /// The connection is alive and nothing was sent on it before this was asked.
    pub fn expect_quiet(&mut self) {
        let sequence = self.request(CommandId::ENQUIRE_LINK, b"");
        self.expect_answer(CommandId::ENQUIRE_LINK_RESP, ROK, sequence);
    }

    pub fn bind(&mut self, mode: BindMode, system_id: &str, password: &str) -> Pdu {
        self.next += 1;
        self.send(&bind_octets(mode, system_id, password, self.next));
        self.expect(mode.command().response())
    }

    /// Binds with this interface_version; the answer's body.
    pub fn bind_as(&mut self, version: u8, mode: BindMode, system_id: &str, password: &str) -> Vec<u8> {
        self.next += 1;
        self.send(&bind_octets_as(version, mode, system_id, password, self.next));
        self.expect_answer(mode.command().response(), ROK, self.next).body
    }

    /// Submits and waits for the answer.
    pub fn submit(&mut self, body: &[u8]) -> Pdu {
        let sequence = self.request(CommandId::SUBMIT_SM, body);
        let answer = self.expect(CommandId::SUBMIT_SM_RESP);
        assert_eq!(answer.sequence, sequence);
        answer
    }

    /// Submits until it is not for want of a bound link that it is refused.
    pub fn submit_when_up(&mut self, body: &[u8]) -> Pdu {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.submit(body);
            if answer.status != RSYSERR {
                return answer;
            }
            assert!(Instant::now() < give_up, "no link came up");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Submits, and the answer is this refusal.
    pub fn refused(&mut self, body: &[u8], status: u32) {
        let answer = self.submit(body);
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{answer:x?}");
    }

    /// Takes a deliver_sm and acknowledges it.
    pub fn receive(&mut self) -> Pdu {
        let delivery = self.expect(CommandId::DELIVER_SM);
        self.answer(&delivery, ROK, b"\0");
        delivery
    }

    fn cut(&mut self) -> Option<Pdu> {
        let frame = Frame::cut(&self.unread, 1 << 20).unwrap()?;
        let (len, status, sequence) = (frame.len(), frame.status.0, frame.sequence.0);
        let pdu = Pdu::new(frame.command, status, sequence, frame.body);
        self.unread.drain(..len);
        Some(pdu)
    }
}

pub fn bind_octets(mode: BindMode, system_id: &str, password: &str, sequence: u32) -> Vec<u8> {
    bind_octets_as(0x34, mode, system_id, password, sequence)
}

pub fn bind_octets_as(version: u8, mode: BindMode, system_id: &str, password: &str, sequence: u32) -> Vec<u8> {
    let bind = Bind {
        mode,
        system_id: system_id.as_bytes().to_vec(),
        password: password.as_bytes().to_vec(),
        system_type: Vec::new(),
        interface_version: version,
        address_ton: 0,
        address_npi: 0,
        address_range: Vec::new(),
    };
    let mut out = Vec::new();
    pdu::write_bind(&bind, SequenceNumber(sequence), &mut out);
    out
}

/// A submit_sm's body, or a deliver_sm's: both have one layout.
pub fn body<'a>(
    source: &'a str,
    destination: &'a str,
    text: &'a [u8],
    change: impl FnOnce(&mut ShortMessage<'a>),
) -> Vec<u8> {
    let address = |digits: &'a str| Address { ton: 1, npi: 1, digits: digits.as_bytes() };
    let mut message = ShortMessage::new(address(source), address(destination), text);
    change(&mut message);
    let mut out = Vec::new();
    pdu::write_submit_sm(&message, SequenceNumber::FIRST, &mut out);
    out.split_off(16)
}

/// A plain submit without a receipt.
pub fn plain(text: &str) -> Vec<u8> {
    body("1000", "4915100000001", text.as_bytes(), |_| {})
}

/// A submit that asks for a receipt.
pub fn with_receipt(text: &str) -> Vec<u8> {
    body("1000", "4915100000001", text.as_bytes(), |message| message.registered_delivery = 1)
}
