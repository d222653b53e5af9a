//! What a run of operations knows of its peers and of each message.

use std::collections::{BTreeMap, VecDeque};

use trunkline::engine::time::Instant;

use crate::stage::{EndId, Stage};

pub struct Run<'a> {
    pub octets: &'a [u8],
    pub stage: Stage,
    pub esmes: Vec<Esme>,
    pub links: BTreeMap<usize, Link>,
    pub next_tag: u32,
    pub messages: BTreeMap<u32, Message>,
}

pub struct Esme {
    pub end: EndId,
    pub account: usize,
    pub rest: Vec<u8>,
    /// Tags by sequence_number, as the ESME may use one again.
    pub open: BTreeMap<u32, VecDeque<u32>>,
    /// deliver_sm not answered.
    pub deliveries: Vec<u32>,
    pub is_over: bool,
}

#[derive(Default)]
pub struct Link {
    pub end: Option<EndId>,
    pub rest: Vec<u8>,
    pub is_bound: bool,
    /// Tags by our sequence_number, and when they were submitted.
    pub open: BTreeMap<u32, (u32, Instant)>,
    /// deliver_sm sent, by sequence_number: the tag, and how often it had been refused before.
    pub receipts: BTreeMap<u32, (u32, u32)>,
    pub next: u32,
}

/// One submit, by the tag in its text.
#[derive(Default)]
pub struct Message {
    pub account: usize,
    pub submitted_at: Option<Instant>,
    pub wants_receipt: bool,
    /// With the carrier, or accepted by it.
    pub is_sent: bool,
    pub is_accepted: bool,
    /// What was told of it before the carrier refused it is worth nothing.
    pub refusals: u32,
    pub has_receipt: bool,
    pub is_acknowledged: bool,
    /// Another was out under its number.
    pub has_twin: bool,
    /// Our id, once told.
    pub id: Option<Vec<u8>>,
    pub reached: u32,
}
