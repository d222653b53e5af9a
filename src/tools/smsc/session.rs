//! One connection to the simulator, from its bind to its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use glommio::net::TcpStream;
use glommio::timer::Timer;

use super::carrier::{Bind, Carrier};
use super::peer::Peer;
use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::{Frame, write_header};
use crate::smpp::view::tag;
use crate::tools::clock::monotonic_ns;
use crate::tools::wire::{Outbox, Turn, Wire};

/// What the simulator calls itself in bind_resp.
const SYSTEM_ID: &[u8] = b"smsc\0";

struct Session {
    outbox: Rc<Outbox>,
    peer: Option<Rc<Peer>>,
    submits: u64,
}

/// How a connection goes on after a PDU.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    Go,
    /// Write what is due, then close.
    Close,
    /// Close with everything unwritten.
    Abort,
}

pub(super) async fn serve(carrier: Rc<RefCell<Carrier>>, stream: TcpStream) {
    let mut wire = Wire::new(stream);
    let mut session = Session { outbox: Rc::new(Outbox::default()), peer: None, submits: 0 };
    let outbox = Rc::clone(&session.outbox);
    loop {
        match wire.turn(&outbox).await {
            Ok(Turn::Read) => {}
            Ok(Turn::Rung) if session.is_over() => break,
            Ok(Turn::Rung) => continue,
            Ok(Turn::Closed) | Err(_) => break,
        }
        let stalled_for = carrier.borrow().stalled_for(monotonic_ns());
        if stalled_for > 0 {
            Timer::new(Duration::from_nanos(stalled_for)).await;
        }
        let next = session.handle_input(&mut wire, &mut carrier.borrow_mut());
        outbox.hush();
        match next {
            Next::Go => {}
            Next::Abort => break,
            Next::Close => {
                // Rung, the turn ends as soon as it has written what it can.
                outbox.ring();
                let _ = wire.turn(&outbox).await;
                break;
            }
        }
    }
    if let Some(peer) = session.peer {
        carrier.borrow_mut().leave(&peer);
    }
}

impl Session {
    fn is_over(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.is_over.get())
    }

    fn handle_input(&mut self, wire: &mut Wire, carrier: &mut Carrier) -> Next {
        let now = monotonic_ns();
        loop {
            match wire.input.next_frame() {
                Ok(Some(frame)) => {
                    let next = self.handle_frame(&frame, carrier, now);
                    if next != Next::Go {
                        return next;
                    }
                }
                Ok(None) => return Next::Go,
                Err(_) => {
                    carrier.counts.protocol_errors += 1;
                    return Next::Abort;
                }
            }
        }
    }

    fn handle_frame(&mut self, frame: &Frame<'_>, carrier: &mut Carrier, now: u64) -> Next {
        match frame.command {
            CommandId::SUBMIT_SM => return self.submit(frame, carrier, now),
            CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP => {
                if let Some(peer) = &self.peer {
                    carrier.delivery_answered(peer, frame.sequence, frame.status, now);
                } else {
                    carrier.counts.protocol_errors += 1;
                }
            }
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => {
                return self.bind(frame, carrier, now);
            }
            CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => {
                if let Some(peer) = self.peer.as_ref().filter(|peer| peer.submits) {
                    let (status, body) = carrier.asked(peer, frame, now);
                    self.reply(frame, status, &[&body]);
                } else {
                    carrier.counts.protocol_errors += 1;
                    self.reply(frame, CommandStatus::RINVBNDSTS, &[]);
                }
            }
            CommandId::ENQUIRE_LINK => {
                carrier.counts.enquire_links += 1;
                self.reply(frame, CommandStatus::ROK, &[]);
            }
            CommandId::UNBIND => {
                self.reply(frame, CommandStatus::ROK, &[]);
                return Next::Close;
            }
            CommandId::UNBIND_RESP if self.peer.as_ref().is_some_and(|peer| peer.said_goodbye.get()) => {
                return Next::Abort;
            }
            command if command.is_response() => carrier.counts.protocol_errors += 1,
            _ => {
                carrier.counts.protocol_errors += 1;
                let (nack, status) = (CommandId::GENERIC_NACK, CommandStatus::RINVCMDID);
                write_header(&mut self.outbox.bytes.borrow_mut(), nack, status, frame.sequence, 0);
            }
        }
        Next::Go
    }

    fn submit(&mut self, frame: &Frame<'_>, carrier: &mut Carrier, now: u64) -> Next {
        match self.peer.as_ref().filter(|peer| peer.submits) {
            Some(peer) => carrier.submit(peer, frame, now),
            None => {
                carrier.counts.protocol_errors += 1;
                self.reply(frame, CommandStatus::RINVBNDSTS, &[]);
            }
        }
        self.submits += 1;
        carrier.write_garbage(self.submits, &mut self.outbox.bytes.borrow_mut());
        if carrier.args.close_after.is_some_and(|limit| self.submits >= limit) { Next::Abort } else { Next::Go }
    }

    fn bind(&mut self, frame: &Frame<'_>, carrier: &mut Carrier, now: u64) -> Next {
        let mut fields = frame.body.split(|octet| *octet == 0);
        let (system_id, password) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let is_wrong = |expected: &Option<String>, given: &[u8]| {
            expected.as_ref().is_some_and(|expected| expected.as_bytes() != given)
        };
        let status = if self.peer.is_some() {
            CommandStatus::RALYBND
        } else if is_wrong(&carrier.args.system_id, system_id) || is_wrong(&carrier.args.password, password) {
            CommandStatus::RINVPASWD
        } else {
            carrier.refuses_bind().unwrap_or(CommandStatus::ROK)
        };
        if !status.is_ok() {
            carrier.counts.binds_refused.add(status);
            self.reply(frame, status, &[]);
            return if self.peer.is_some() { Next::Go } else { Next::Close };
        }
        carrier.counts.binds += 1;
        let version = [&tag::SC_INTERFACE_VERSION.to_be_bytes()[..], &[0, 1, 0x34]].concat();
        self.reply(frame, status, &[SYSTEM_ID, &version]);
        let submits = frame.command != CommandId::BIND_RECEIVER;
        let receives = frame.command != CommandId::BIND_TRANSMITTER;
        let bind = Bind { system_id, submits, receives };
        self.peer = Some(carrier.join(bind, &self.outbox, now));
        Next::Go
    }

    fn reply(&self, frame: &Frame<'_>, status: CommandStatus, body: &[&[u8]]) {
        let mut out = self.outbox.bytes.borrow_mut();
        let len = body.iter().map(|part| part.len()).sum();
        write_header(&mut out, frame.command.response(), status, frame.sequence, len);
        for part in body {
            out.extend_from_slice(part);
        }
    }
}
