//! The far ends of the engine's connections, played in memory: ESMEs that keep their window full and answer receipts, and
//! a carrier that accepts every submit and sends its receipt right behind.

use trunkline::engine::slab::Key;
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::{self, Bind, BindMode, ShortMessage};
use trunkline::smpp::view::{Address, SmView, esm_class, tag};

const SOURCE: Address<'static> = Address { ton: 5, npi: 0, digits: b"TRUNKLINE" };
const DESTINATION: Address<'static> = Address { ton: 1, npi: 1, digits: b"447700900123" };
const TEXT: &[u8] = b"the quick brown fox jumps over a lazy dog, and then it does";

/// One connection's far end, with the shard and key of its near end.
pub(crate) struct Peer {
    pub(crate) shard: usize,
    pub(crate) key: Key,
    /// What it sent and the engine has not read.
    pub(crate) sent: Vec<u8>,
    pub(crate) role: Role,
    next_sequence: u32,
}

pub(crate) enum Role {
    Esme(Esme),
    Carrier {
        /// Ids are this, and then every `step`th.
        next_id: u64,
        step: u64,
    },
}

/// What an ESME has still to do, and has seen.
#[derive(Default)]
pub(crate) struct Esme {
    pub(crate) is_bound: bool,
    pub(crate) to_submit: u64,
    pub(crate) answers: u64,
    pub(crate) receipts: u64,
}

impl Peer {
    pub(crate) fn esme(shard: usize, key: Key) -> Self {
        Self { shard, key, sent: Vec::new(), role: Role::Esme(Esme::default()), next_sequence: 2 }
    }

    pub(crate) fn carrier(shard: usize, key: Key, first_id: u64, step: u64) -> Self {
        Self { shard, key, sent: Vec::new(), role: Role::Carrier { next_id: first_id, step }, next_sequence: 1 }
    }

    /// Submits as many as its window allows.
    pub(crate) fn fill_window(&mut self, window: u32) {
        for _ in 0..window {
            self.submit();
        }
    }

    /// Reads what the engine wrote.
    pub(crate) fn read(&mut self, mut stream: &[u8]) {
        while let Ok(Some(frame)) = Frame::cut(stream, 64 << 10) {
            stream = &stream[frame.len()..];
            match self.role {
                Role::Esme(_) => self.read_as_esme(&frame),
                Role::Carrier { .. } => self.read_as_carrier(&frame),
            }
        }
        assert!(stream.is_empty(), "the engine writes whole PDUs");
    }

    fn read_as_esme(&mut self, frame: &Frame<'_>) {
        let Role::Esme(esme) = &mut self.role else { return };
        assert_eq!(frame.status, CommandStatus::ROK, "{:?}", frame.command);
        match frame.command {
            CommandId::BIND_TRANSCEIVER_RESP => esme.is_bound = true,
            CommandId::SUBMIT_SM_RESP => {
                esme.answers += 1;
                self.submit();
            }
            CommandId::DELIVER_SM => {
                esme.receipts += 1;
                pdu::write_deliver_sm_resp(CommandStatus::ROK, frame.sequence, &mut self.sent);
            }
            other => panic!("an ESME got {other:?}"),
        }
    }

    fn read_as_carrier(&mut self, frame: &Frame<'_>) {
        match frame.command {
            CommandId::BIND_TRANSCEIVER => {
                let (mode, version) = (BindMode::Transceiver, Some(0x34));
                pdu::write_bind_resp(mode, CommandStatus::ROK, frame.sequence, "smsc", version, &mut self.sent);
            }
            CommandId::SUBMIT_SM => self.accept(frame),
            CommandId::DELIVER_SM_RESP => assert!(frame.status.is_ok(), "a receipt was refused: {:?}", frame.status),
            other => panic!("the carrier got {other:?}"),
        }
    }

    /// Answers a submit and sends its receipt in the same breath.
    fn accept(&mut self, frame: &Frame<'_>) {
        let receipt_sequence = self.take_sequence();
        let Role::Carrier { next_id, step } = &mut self.role else { return };
        let id = format!("{next_id:010}");
        *next_id += *step;
        pdu::write_submit_sm_resp(CommandStatus::ROK, frame.sequence, id.as_bytes(), &mut self.sent);
        let Ok(submit) = SmView::submit(frame.body) else { panic!("the carrier got a malformed submit") };
        let text = format!(
            "id:{id} sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 stat:DELIVRD err:000 text:the quick"
        );
        let tlvs: [(u16, &[u8]); 2] = [(tag::RECEIPTED_MESSAGE_ID, id.as_bytes()), (tag::MESSAGE_STATE, b"\x02")];
        let receipt = ShortMessage::new(submit.destination, submit.source, text.as_bytes());
        let receipt = ShortMessage { esm_class: esm_class::RECEIPT, tlvs: &tlvs, ..receipt };
        pdu::write_deliver_sm(&receipt, receipt_sequence, &mut self.sent);
    }

    fn submit(&mut self) {
        let sequence = self.take_sequence();
        let Role::Esme(esme) = &mut self.role else { return };
        if esme.to_submit > 0 {
            esme.to_submit -= 1;
            let submit = ShortMessage { registered_delivery: 1, ..ShortMessage::new(SOURCE, DESTINATION, TEXT) };
            pdu::write_submit_sm(&submit, sequence, &mut self.sent);
        }
    }

    fn take_sequence(&mut self) -> SequenceNumber {
        let sequence = SequenceNumber(self.next_sequence);
        self.next_sequence += 1;
        sequence
    }
}

/// The bind of an ESME.
pub(crate) fn bind() -> Vec<u8> {
    let bind = Bind {
        mode: BindMode::Transceiver,
        system_id: b"acme".to_vec(),
        password: b"secret".to_vec(),
        system_type: Vec::new(),
        interface_version: 0x34,
        address_ton: 0,
        address_npi: 0,
        address_range: Vec::new(),
    };
    let mut out = Vec::new();
    pdu::write_bind(&bind, SequenceNumber::FIRST, &mut out);
    out
}
