//! How the network, the carriers and the ESMEs behave. The defaults are calm; a soak draws its own from the seed.
//! Shares are in a thousand.

use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::receipt::MessageState;

use crate::lies::Lies;
use crate::operations::AskedHabit;
use crate::rng::Rng;

#[derive(Clone, Debug)]
pub(crate) struct NetworkHabit {
    pub(crate) delay_us: (u64, u64),
    /// How often a write arrives in pieces.
    pub(crate) cut: u64,
    /// Octets that may lie between the two ends.
    pub(crate) capacity: usize,
    /// How often the kernel takes less than there is room for.
    pub(crate) short_write: u64,
    pub(crate) dial_fails: u64,
    /// Time between two resets of some connection.
    pub(crate) reset_ms: Option<(u64, u64)>,
    /// And between two orders of the operator.
    pub(crate) orders_ms: Option<(u64, u64)>,
    pub(crate) commit_us: (u64, u64),
    pub(crate) mesh_us: (u64, u64),
    /// Until more ids are reserved.
    pub(crate) ids_ms: (u64, u64),
}

impl Default for NetworkHabit {
    fn default() -> Self {
        Self {
            delay_us: (100, 300),
            cut: 0,
            capacity: 1 << 20,
            short_write: 0,
            dial_fails: 0,
            reset_ms: None,
            orders_ms: None,
            commit_us: (500, 2_000),
            mesh_us: (5, 50),
            ids_ms: (1, 20),
        }
    }
}

impl NetworkHabit {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let slow = rng.chance(300);
        Self {
            delay_us: if slow { (1_000, 80_000) } else { (20, 500) },
            cut: rng.pick(&[0, 100, 500]),
            capacity: rng.pick(&[2_000, 20_000, 200_000, 1 << 20]),
            short_write: rng.pick(&[0, 0, 100]),
            dial_fails: rng.pick(&[0, 100, 400]),
            reset_ms: rng.pick(&[None, Some((500, 8_000)), Some((5_000, 40_000))]),
            orders_ms: None,
            commit_us: rng.pick(&[(50, 500), (500, 8_000), (10_000, 200_000)]),
            mesh_us: rng.pick(&[(1, 20), (20, 2_000), (1_000, 30_000)]),
            ids_ms: (1, 20),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CarrierHabit {
    pub(crate) latency_ms: (u64, u64),
    /// Never answers.
    pub(crate) silent: u64,
    pub(crate) rsyserr: u64,
    pub(crate) throttled: u64,
    pub(crate) queue_full: u64,
    pub(crate) refused: u64,
    /// Refuses with a generic_nack.
    pub(crate) nacked: u64,
    /// Says how full it is, in each answer.
    pub(crate) congestion: Option<u8>,
    /// Answers a second time.
    pub(crate) answers_twice: u64,
    /// Whether it sends receipts at all.
    pub(crate) sends_receipts: bool,
    /// Receipts for submits that asked for none.
    pub(crate) sends_unrequested: bool,
    /// Its answers name no id.
    pub(crate) gives_no_id: bool,
    pub(crate) receipt_ms: (u64, u64),
    /// What became of every message, if not drawn.
    pub(crate) state: Option<MessageState>,
    /// One receipt for a long message, once all of its parts have come: under the id of the part with this number.
    pub(crate) one_per_message: Option<u8>,
    /// Sends the receipt before its answer.
    pub(crate) early: u64,
    pub(crate) other_link: u64,
    pub(crate) intermediate: u64,
    pub(crate) duplicate: u64,
    /// Hex in the answer, decimal in the receipt.
    pub(crate) hex_then_decimal: bool,
    pub(crate) first_id: u64,
    pub(crate) refuses_bind: u64,
    /// Time between two ends of some link: goodbye, or simply gone.
    pub(crate) drop_ms: Option<(u64, u64)>,
    pub(crate) unbinds: u64,
    /// Time between two spells of reading and saying nothing, and how long one lasts.
    pub(crate) stall_ms: Option<(u64, u64)>,
    pub(crate) stall_for_ms: (u64, u64),
    pub(crate) mo_ms: Option<(u64, u64)>,
    pub(crate) lies: Lies,
    /// Sends a receipt or MO as a data_sm.
    pub(crate) data_sm: u64,
    pub(crate) asked: AskedHabit,
}

impl Default for CarrierHabit {
    fn default() -> Self {
        Self {
            latency_ms: (5, 20),
            silent: 0,
            rsyserr: 0,
            throttled: 0,
            queue_full: 0,
            refused: 0,
            nacked: 0,
            congestion: None,
            answers_twice: 0,
            sends_receipts: true,
            sends_unrequested: false,
            gives_no_id: false,
            receipt_ms: (50, 100),
            state: None,
            one_per_message: None,
            early: 0,
            other_link: 0,
            intermediate: 0,
            duplicate: 0,
            hex_then_decimal: false,
            first_id: 1_000,
            refuses_bind: 0,
            drop_ms: None,
            unbinds: 500,
            stall_ms: None,
            stall_for_ms: (500, 5_000),
            mo_ms: None,
            lies: Lies::default(),
            data_sm: 0,
            asked: AskedHabit::default(),
        }
    }
}

impl CarrierHabit {
    pub(crate) fn draw(rng: &mut Rng, hex_then_decimal: bool) -> Self {
        let often = |rng: &mut Rng, much: u64| rng.pick(&[0, 0, much / 5, much]);
        Self {
            latency_ms: rng.pick(&[(1, 5), (5, 100), (100, 1_500), (0, 6_000)]),
            silent: often(rng, 50),
            rsyserr: often(rng, 200),
            throttled: often(rng, 300),
            queue_full: often(rng, 100),
            refused: often(rng, 100),
            nacked: often(rng, 20),
            congestion: None,
            answers_twice: often(rng, 50),
            sends_receipts: true,
            sends_unrequested: false,
            gives_no_id: false,
            receipt_ms: rng.pick(&[(0, 0), (0, 100), (100, 5_000), (0, 70_000)]),
            state: None,
            one_per_message: None,
            early: often(rng, 400),
            other_link: rng.pick(&[0, 500, 1_000]),
            intermediate: often(rng, 300),
            duplicate: often(rng, 100),
            hex_then_decimal,
            // The same for every carrier: two of them issue the same ids.
            first_id: 1_000,
            refuses_bind: often(rng, 300),
            drop_ms: rng.pick(&[None, Some((500, 5_000)), Some((5_000, 60_000))]),
            unbinds: 500,
            stall_ms: rng.pick(&[None, None, Some((5_000, 40_000))]),
            stall_for_ms: rng.pick(&[(500, 5_000), (5_000, 50_000)]),
            mo_ms: rng.pick(&[None, Some((100, 3_000))]),
            lies: Lies::default(),
            data_sm: often(rng, 500),
            asked: AskedHabit::default(),
        }
    }

    /// As it was drawn, without what goes wrong.
    pub(crate) fn calmed(&self) -> Self {
        let calm = Self { hex_then_decimal: self.hex_then_decimal, early: self.early, ..Self::default() };
        Self { other_link: self.other_link, receipt_ms: (0, 100), one_per_message: self.one_per_message, ..calm }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct EsmeHabit {
    pub(crate) mode: BindMode,
    /// Submits sent behind the bind, before its answer.
    pub(crate) pipelined: u64,
    /// Time between submits; `None` when it sends only what it is told to.
    pub(crate) submit_ms: Option<(u64, u64)>,
    pub(crate) window: usize,
    pub(crate) wants_receipt: u64,
    /// How it answers a deliver_sm otherwise than ESME_ROK, if at all.
    pub(crate) busy: u64,
    pub(crate) refuses: u64,
    pub(crate) silent: u64,
    pub(crate) answer_ms: (u64, u64),
    /// Time between spells of not reading, and how long one lasts.
    pub(crate) slow_ms: Option<(u64, u64)>,
    pub(crate) slow_for_ms: (u64, u64),
    /// How long a session lasts before it unbinds or aborts.
    pub(crate) life_ms: Option<(u64, u64)>,
    pub(crate) aborts: u64,
    pub(crate) reconnects: bool,
    pub(crate) answers_enquiries: bool,
    /// Submits from several senders, some with a short validity.
    pub(crate) is_varied: bool,
    /// The interface_version of its bind.
    pub(crate) version: u8,
    /// Asks for one of its messages with a submit.
    pub(crate) asks: u64,
    /// Some submit_multi and data_sm.
    pub(crate) has_multis: bool,
}

impl EsmeHabit {
    pub(crate) fn calm(mode: BindMode) -> Self {
        Self {
            mode,
            pipelined: 0,
            submit_ms: None,
            window: 1_000,
            wants_receipt: 1_000,
            busy: 0,
            refuses: 0,
            silent: 0,
            answer_ms: (0, 5),
            slow_ms: None,
            slow_for_ms: (1_000, 2_000),
            life_ms: None,
            aborts: 0,
            reconnects: true,
            answers_enquiries: true,
            is_varied: false,
            version: 0x34,
            asks: 0,
            has_multis: false,
        }
    }

    pub(crate) fn draw(rng: &mut Rng, mode: BindMode) -> Self {
        Self {
            mode,
            pipelined: rng.pick(&[0, 0, 3, 20]),
            submit_ms: Some(rng.pick(&[(1, 40), (50, 400), (500, 3_000)])),
            window: rng.pick(&[1, 10, 100]),
            wants_receipt: rng.pick(&[1_000, 800, 300]),
            busy: rng.pick(&[0, 100, 400]),
            refuses: rng.pick(&[0, 50]),
            silent: rng.pick(&[0, 0, 50]),
            answer_ms: rng.pick(&[(0, 5), (5, 500)]),
            slow_ms: rng.pick(&[None, None, Some((1_000, 20_000))]),
            slow_for_ms: rng.pick(&[(100, 2_000), (2_000, 45_000)]),
            life_ms: rng.pick(&[None, Some((500, 10_000)), Some((5_000, 60_000))]),
            aborts: 500,
            reconnects: true,
            answers_enquiries: true,
            is_varied: false,
            version: 0x34,
            asks: 0,
            has_multis: false,
        }
    }
}
