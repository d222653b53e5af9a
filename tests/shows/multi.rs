//! A customer who submits to several destinations at once: one id each time, and a receipt for each destination.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::multi::read_resp;
use trunkline::smpp::pdu::{self, Bind, BindMode};
use trunkline::smpp::view::SmView;
use trunkline::tools::ledger::Tag;

use crate::process::let_pass;
use crate::stage::PATIENCE;

/// Of the tags.
pub const RUN: u32 = 0x6D75_6C74;
/// How long a read waits.
const LOOK: Duration = Duration::from_millis(50);

/// What this customer saw.
#[derive(Default)]
pub struct Seen {
    /// Answered with ESME_ROK: by its id, how many destinations it had and how many of them were not reached.
    pub answered: HashMap<String, (u64, u64)>,
    pub unanswered: u64,
    pub refused: u64,
    /// Connections that were refused.
    pub not_connected: u64,
    /// Final receipts by their id.
    pub receipts: HashMap<String, u64>,
}

impl Seen {
    /// Receipts of what was answered that are still to come.
    pub fn owed(&self) -> u64 {
        self.answered.iter().map(|(id, (to, missed))| (to - missed).saturating_sub(self.told(id))).sum()
    }

    /// Receipts beyond one for each destination.
    pub fn repeated(&self) -> u64 {
        self.answered.iter().map(|(id, (to, missed))| self.told(id).saturating_sub(to - missed)).sum()
    }

    fn told(&self, id: &str) -> u64 {
        self.receipts.get(id).copied().unwrap_or(0)
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let receipts: u64 = self.receipts.values().sum();
        f.debug_struct("several destinations")
            .field("answered", &self.answered.len())
            .field("refused", &self.refused)
            .field("unanswered", &self.unanswered)
            .field("not_connected", &self.not_connected)
            .field("receipts", &receipts)
            .field("repeated", &self.repeated())
            .finish()
    }
}

pub struct Multi {
    is_over: Arc<AtomicBool>,
    customer: JoinHandle<Seen>,
}

impl Multi {
    pub fn start(smpp: SocketAddr, account: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        Self { is_over, customer: thread::spawn(move || Customer::default().submit_until_over(smpp, account, &told)) }
    }

    /// Submits no more, and waits for the receipts that are owed.
    pub fn finish(self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        self.customer.join().unwrap()
    }
}

#[derive(Default)]
struct Customer {
    seen: Seen,
    next: u32,
    unread: Vec<u8>,
    /// Destinations of the one that is not answered yet.
    open: Option<u64>,
}

impl Customer {
    fn submit_until_over(mut self, smpp: SocketAddr, account: &str, is_over: &AtomicBool) -> Seen {
        let mut give_up = None;
        while give_up.is_none_or(|give_up| Instant::now() < give_up && self.seen.owed() > 0) {
            // Refused, or ended in the middle: there is another life to come.
            let _ = self.serve(smpp, account, is_over, &mut give_up);
            self.unread.clear();
            self.seen.unanswered += u64::from(self.open.take().is_some());
            let_pass(LOOK);
        }
        self.seen
    }

    /// One connection; `None` when it has ended.
    fn serve(
        &mut self,
        smpp: SocketAddr,
        account: &str,
        is_over: &AtomicBool,
        give_up: &mut Option<Instant>,
    ) -> Option<()> {
        let Ok(mut stream) = TcpStream::connect(smpp) else {
            self.seen.not_connected += 1;
            return None;
        };
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(LOOK)).ok()?;
        let bind = Bind {
            mode: BindMode::Transceiver,
            system_id: account.as_bytes().to_vec(),
            password: b"pw".to_vec(),
            system_type: Vec::new(),
            interface_version: 0x34,
            address_ton: 0,
            address_npi: 0,
            address_range: Vec::new(),
        };
        let mut octets = Vec::new();
        pdu::write_bind(&bind, self.sequence(), &mut octets);
        stream.write_all(&octets).ok()?;
        let mut is_bound = false;
        loop {
            if give_up.is_none() && is_over.load(Ordering::Relaxed) {
                *give_up = Some(Instant::now() + PATIENCE);
            }
            if give_up
                .is_some_and(|give_up| Instant::now() >= give_up || (self.open.is_none() && self.seen.owed() == 0))
            {
                return None;
            }
            if is_bound && self.open.is_none() && give_up.is_none() {
                let body = self.submit();
                self.send(&mut stream, CommandId::SUBMIT_MULTI, &body)?;
            }
            self.read(&mut stream)?;
            while let Some(frame) = Frame::cut(&self.unread, 1 << 20).unwrap() {
                let (length, command, status, sequence) = (frame.len(), frame.command, frame.status, frame.sequence);
                let body = frame.body.to_vec();
                self.unread.drain(..length);
                match command {
                    CommandId::BIND_TRANSCEIVER_RESP if status.is_ok() => is_bound = true,
                    CommandId::SUBMIT_MULTI_RESP => self.answered(status, &body),
                    CommandId::DELIVER_SM => {
                        self.receipt(&body);
                        answer(&mut stream, command, sequence, b"\0")?;
                    }
                    CommandId::ENQUIRE_LINK => answer(&mut stream, command, sequence, b"")?,
                    CommandId::UNBIND => {
                        answer(&mut stream, command, sequence, b"")?;
                        is_bound = false;
                    }
                    _ => return None,
                }
            }
        }
    }

    fn sequence(&mut self) -> SequenceNumber {
        self.next += 1;
        SequenceNumber(self.next)
    }

    fn submit(&mut self) -> Vec<u8> {
        let to = 1 + u64::from(self.next % 5);
        self.open = Some(to);
        let text = Tag { run: RUN, number: u64::from(self.next) }.to_string();
        let mut body = [b"\0\x01\x011000\0", &[to as u8][..]].concat();
        for at in 0..to {
            body.extend_from_slice(format!("\x01\x01\x014916{:07}{at}\0", self.next).as_bytes());
        }
        body.extend_from_slice(&[b"\0\0\0\0\0\x01\0\0\0", &[text.len() as u8][..], text.as_bytes()].concat());
        body
    }

    fn send(&mut self, stream: &mut TcpStream, command: CommandId, body: &[u8]) -> Option<()> {
        let (status, sequence) = (CommandStatus::ROK, self.sequence());
        let mut octets = Vec::new();
        Frame { command, status, sequence, body }.write(&mut octets);
        stream.write_all(&octets).ok()
    }

    fn read(&mut self, stream: &mut TcpStream) -> Option<()> {
        let mut octets = [0; 16 << 10];
        match stream.read(&mut octets) {
            Ok(0) => None,
            Ok(count) => {
                self.unread.extend_from_slice(&octets[..count]);
                Some(())
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut).then_some(()),
        }
    }

    fn answered(&mut self, status: CommandStatus, body: &[u8]) {
        let to = self.open.take().expect("an answer to what is open");
        if !status.is_ok() {
            self.seen.refused += 1;
            // Whoever is refused comes again in a moment.
            return let_pass(Duration::from_millis(20));
        }
        let (id, missed) = read_resp(body).expect("an answer with its body");
        let id = String::from_utf8(id.to_vec()).unwrap();
        assert!(self.seen.answered.insert(id, (to, missed.len() as u64)).is_none(), "an id given twice");
    }

    fn receipt(&mut self, body: &[u8]) {
        let text = String::from_utf8(SmView::deliver(body).unwrap().text().to_vec()).unwrap();
        let id = text.strip_prefix("id:").and_then(|text| text.split(' ').next()).unwrap();
        if ["DELIVRD", "UNDELIV", "EXPIRED"].iter().any(|state| text.contains(&format!("stat:{state} "))) {
            *self.seen.receipts.entry(id.to_owned()).or_default() += 1;
        }
    }
}

fn answer(stream: &mut TcpStream, command: CommandId, sequence: SequenceNumber, body: &[u8]) -> Option<()> {
    let mut octets = Vec::new();
    Frame { command: command.response(), status: CommandStatus::ROK, sequence, body }.write(&mut octets);
    stream.write_all(&octets).ok()
}
