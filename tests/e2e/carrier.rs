//! A carrier: either in the hands of the test, link by link, or answering by itself.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use socket2::SockRef;
use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::SmView;

use crate::peer::{PATIENCE, Pdu, Peer, ROK, body};

/// A listening socket that the gateway dials; the test plays the carrier on what `accept` returns.
pub struct Carrier {
    pub listener: TcpListener,
}

impl Carrier {
    pub fn listen() -> Self {
        Self::listen_on("127.0.0.1:0".parse().unwrap())
    }

    pub fn listen_on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        // A timeout of reading is one of accepting too (socket(7)).
        SockRef::from(&listener).set_read_timeout(Some(PATIENCE)).unwrap();
        Self { listener }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next link, not yet answered, and its bind.
    pub fn accept_unbound(&self) -> (Peer, Pdu) {
        let (stream, _) = self.listener.accept().expect("the gateway did not dial");
        let mut link = Peer::over(stream);
        let bind = link.read().expect("a bind");
        assert!(BindMode::from_command(bind.command).is_some(), "{bind:x?}");
        (link, bind)
    }

    /// The next link, bound.
    pub fn accept(&self) -> Peer {
        let (mut link, bind) = self.accept_unbound();
        link.answer(&bind, ROK, b"smsc\0");
        link
    }

    /// Answers everything by itself from now on.
    pub fn run(self) -> AutoCarrier {
        AutoCarrier::run(self)
    }
}

/// The number of the connection a submit came on, and its body.
pub type Submitted = (usize, Vec<u8>);

/// Accepts every bind, answers each submit with an id of its own, sends a final receipt when one is asked for.
pub struct AutoCarrier {
    pub address: SocketAddr,
    listener: TcpListener,
    accepting: Option<JoinHandle<()>>,
    submits: Arc<Mutex<Vec<Submitted>>>,
}

impl AutoCarrier {
    fn run(carrier: Carrier) -> Self {
        let address = carrier.address();
        let submits = Arc::new(Mutex::new(Vec::new()));
        let listener = carrier.listener.try_clone().unwrap();
        SockRef::from(&listener).set_read_timeout(None).unwrap();
        let seen = Arc::clone(&submits);
        let accepting = std::thread::spawn(move || {
            let mut links = Vec::new();
            while let Ok((stream, _)) = carrier.listener.accept() {
                let (submits, at) = (Arc::clone(&seen), links.len());
                links.push(std::thread::spawn(move || serve_link(stream, at, &submits)));
            }
            for link in links {
                let _ = link.join();
            }
        });
        Self { address, listener, accepting: Some(accepting), submits }
    }

    /// The bodies of the submits it has answered, in the order they came.
    pub fn submits(&self) -> Vec<Vec<u8>> {
        self.submits.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    /// The same, each with the number of the connection it came on.
    pub fn submits_by_link(&self) -> Vec<Submitted> {
        self.submits.lock().unwrap().clone()
    }
}

impl Drop for AutoCarrier {
    fn drop(&mut self) {
        // Wakes the accepting thread; the links end with the gateway, which is dropped before its carrier.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(accepting) = self.accepting.take().filter(|_| !std::thread::panicking()) {
            let _ = accepting.join();
        }
    }
}

fn serve_link(stream: TcpStream, at: usize, submits: &Mutex<Vec<Submitted>>) {
    stream.set_nodelay(true).unwrap();
    let mut link = Peer::over(stream);
    link.stream.set_read_timeout(None).unwrap();
    while let Some(pdu) = link.read() {
        match pdu.command {
            CommandId::SUBMIT_SM => {
                let mut seen = submits.lock().unwrap();
                let id = format!("n{}", seen.len());
                seen.push((at, pdu.body.clone()));
                drop(seen);
                let view = SmView::submit(&pdu.body).expect("the gateway relays sound submits only");
                let mut octets = resp(&pdu, &id).octets();
                if view.wants_receipt() {
                    octets
                        .extend(Pdu::new(CommandId::DELIVER_SM, ROK, pdu.sequence, &receipt(&id, "DELIVRD")).octets());
                }
                link.send(&octets);
            }
            command if command.is_response() => {}
            CommandId::UNBIND | CommandId::ENQUIRE_LINK => link.answer(&pdu, ROK, b""),
            _ => link.answer(&pdu, ROK, b"smsc\0"),
        }
    }
}

pub fn resp(submit: &Pdu, id: &str) -> Pdu {
    Pdu::new(CommandId::SUBMIT_SM_RESP, ROK, submit.sequence, format!("{id}\0").as_bytes())
}

/// The text of a receipt, as the specification's appendix B suggests.
pub fn receipt_text(id: &str, stat: &str) -> String {
    format!("id:{id} sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:{stat} err:000 text:hello")
}

/// The body of a deliver_sm with a receipt for the destination that `peer::plain` and its kin submit to.
pub fn receipt(id: &str, stat: &str) -> Vec<u8> {
    body("4915100000001", "1000", receipt_text(id, stat).as_bytes(), |message| message.esm_class = 4)
}
