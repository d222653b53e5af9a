//! Simulated ESMEs that submit one message to several destinations, and what the answer says of each. In the ledger every
//! destination is a submit by itself, with a tag of its own.

use trunkline::smpp::command::{CommandId, CommandStatus};
use trunkline::smpp::frame::Frame;
use trunkline::smpp::multi::read_resp;
use trunkline::smpp::pdu::submit_sm_resp_id;
use trunkline::smpp::view::SmView;

use crate::ledger::Submit;
use crate::sim::Sim;
use crate::text::{multi_bodies, submit_body};

impl Sim {
    /// Submits to these destinations at once, whose last two digits have to be 00, 01 and so on. Returns their tags.
    pub(crate) fn submit_multi(&mut self, at: usize, destinations: &[String], wants_receipt: bool) -> Vec<u32> {
        let tags: Vec<_> = destinations.iter().map(|_| self.ledger.next_tag()).collect();
        let (multi, bodies) = multi_bodies(tags[0], destinations, wants_receipt);
        self.submit_request(at, CommandId::SUBMIT_MULTI, &multi, &tags, bodies, wants_receipt);
        tags
    }

    /// To so many destinations.
    pub(crate) fn submit_to(&mut self, at: usize, count: usize) -> Vec<u32> {
        let destinations: Vec<_> = (0..count).map(|place| format!("4917000{place:05}")).collect();
        self.submit_multi(at, &destinations, true)
    }

    /// Submits as a data_sm.
    pub(crate) fn submit_data(&mut self, at: usize, destination: &str, wants_receipt: bool) -> u32 {
        let tag = self.ledger.next_tag();
        let body = submit_body(tag, destination, wants_receipt, 0, 10, None);
        let data = crate::text::data_sm_body(&body);
        self.submit_request(at, CommandId::DATA_SM, &data, &[tag], vec![body], wants_receipt);
        tag
    }

    /// Sends a request that is so many submits with these bodies.
    pub(crate) fn submit_request(
        &mut self,
        at: usize,
        command: CommandId,
        octets: &[u8],
        tags: &[u32],
        bodies: Vec<Vec<u8>>,
        wants_receipt: bool,
    ) {
        let esme = &mut self.esmes[at];
        let (account, Some(wire)) = (esme.account, esme.wire) else {
            self.fail("an ESME submits without a connection")
        };
        let sequence = esme.take_sequence();
        esme.outstanding.insert(sequence.0, tags[0]);
        for (tag, body) in tags.iter().zip(bodies) {
            let submit = Submit {
                account,
                wire,
                body,
                wants_receipt,
                read_at: None,
                answer: None,
                handed_id: None,
                is_lost: false,
                attempts: Vec::new(),
                accepted_by: Vec::new(),
                told: Default::default(),
            };
            self.ledger.submitted(*tag, sequence.0, submit);
        }
        let mut out = Vec::new();
        Frame { command, status: CommandStatus::ROK, sequence, body: octets }.write(&mut out);
        self.send(wire, crate::net::Toward::Proxy, &out);
    }
}

pub(crate) fn is_submit(command: CommandId) -> bool {
    [CommandId::SUBMIT_SM, CommandId::SUBMIT_MULTI, CommandId::DATA_SM].contains(&command)
}

pub(crate) fn is_submit_resp(command: CommandId) -> bool {
    command.is_response() && is_submit(CommandId(command.0 & 0x7FFF_FFFF))
}

/// What an answer says of the submit with this body: its status, and the id when that is ESME_ROK.
pub(crate) fn outcome(answer: &Frame<'_>, body: &[u8]) -> (CommandStatus, Vec<u8>) {
    if answer.command != CommandId::SUBMIT_MULTI_RESP {
        return (answer.status, submit_sm_resp_id(answer.body).to_vec());
    }
    let destination = SmView::submit(body).map(|view| view.destination);
    let Some((id, listed)) = read_resp(answer.body) else { return (answer.status, Vec::new()) };
    match listed.iter().find(|(address, _)| Ok(*address) == destination) {
        Some((_, status)) => (*status, Vec::new()),
        None => (answer.status, id.to_vec()),
    }
}
