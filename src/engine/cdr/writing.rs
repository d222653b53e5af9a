//! The lines of submits that a carrier accepted, or that came to their end.

use super::{Event, Line, PartOf};
use crate::config::{AccountId, CarrierId};
use crate::engine::carrier::{Carrier, Pending};
use crate::engine::context::Context;
use crate::engine::correlation::Correlation;
use crate::engine::event::Record;
use crate::engine::message::SubmitInfo;
use crate::smpp::message_id::MessageId;
use crate::smpp::receipt::{self, MessageState, Receipt};
use crate::smpp::segment;
use crate::smpp::view::SmView;

/// What a final receipt says, until the account's home has it.
#[derive(Debug)]
pub struct Told {
    state: MessageState,
    error: Option<u32>,
    carrier_id: Box<[u8]>,
}

impl Told {
    pub fn read(view: &SmView<'_>, receipt: &Receipt<'_>) -> Box<Self> {
        let details = receipt::details(view);
        let network = details.network_error.map(|(_, error)| u32::from(error));
        let carrier_id = receipt.ids.iter().flatten().next().copied().unwrap_or_default();
        Box::new(Self {
            state: receipt.state,
            error: network.or(details.error_number()),
            carrier_id: carrier_id.into(),
        })
    }
}

impl<'a> Line<'a> {
    /// What a submit_sm's body says.
    pub fn of_submit(body: &'a [u8]) -> Self {
        SmView::submit(body).map_or_else(|_| Self::default(), |view| Self::of_view(&view))
    }

    #[must_use]
    pub fn by_http(self) -> Self {
        Self { is_http: true, ..self }
    }

    pub fn of_view(view: &SmView<'a>) -> Self {
        let part = segment::segment_ref(view).map(|part| PartOf {
            reference: part.reference,
            number: part.number,
            total: part.total,
        });
        Self {
            from: view.source.digits,
            to: view.destination.digits,
            data_coding: view.data_coding,
            segments: u16::try_from(segment::count_segments(view)).unwrap_or(u16::MAX),
            asks_receipt: view.wants_receipt(),
            part,
            ..Self::default()
        }
    }
}

impl Context<'_> {
    /// Whether lines are written at all.
    #[must_use]
    pub fn keeps_cdr(&self) -> bool {
        self.cdr.is_some()
    }

    /// Appends a line of this account's, now. `shown` is the id its customer knows, when that is another.
    pub fn write_line(&mut self, account: AccountId, id: Option<MessageId>, shown: Option<MessageId>, line: Line<'_>) {
        if !self.keeps_cdr() {
            return;
        }
        let time = self.unix_seconds();
        let config = self.config.account(account);
        let (id, shown) = (id.map(|id| id.text(config.message_id)), shown.map(|id| id.text(config.message_id)));
        let id = id.as_ref().map(|id| id.as_bytes()).unwrap_or_default();
        let message = shown.as_ref().map(|id| id.as_bytes()).unwrap_or_default();
        self.append_line(&Line { time, account: config.name.as_bytes(), id, message, ..line });
    }

    pub(super) fn append_line(&mut self, line: &Line<'_>) {
        let Some(cdr) = self.cdr.as_mut() else { return };
        self.counts.cdr_lines += 1;
        cdr.append(line, self.out);
    }

    /// When a submit was read that is to be answered by its deadline.
    pub fn submitted_at(&self, info: &SubmitInfo) -> u32 {
        let waits = self.config.smpp.timers.response.saturating_sub(info.deadline.since(self.now));
        self.unix_seconds().saturating_sub(u32::try_from(waits.as_secs()).unwrap_or(0))
    }
}

impl Carrier {
    /// This carrier accepted a submit, under this id. Of a stored one that was said when it was stored.
    pub fn line_of_acceptance(
        &self,
        pending: &Pending,
        carrier_id: &[u8],
        shown: Option<MessageId>,
        cx: &mut Context<'_>,
    ) {
        let info = &pending.info;
        if !cx.keeps_cdr() || info.is_stored() {
            return;
        }
        let shown = shown.or_else(|| self.shown.get(info.id));
        let line = Line {
            event: Event::Accepted,
            submitted: cx.submitted_at(info),
            is_http: info.is_web(),
            carrier: cx.config.carrier(self.id).name.as_bytes(),
            carrier_id,
            // Without an id of the carrier's none will be known for this submit's.
            asks_receipt: info.wants_receipt && !carrier_id.is_empty(),
            ..Line::of_submit(&pending.body)
        };
        cx.write_line(info.account, Some(info.id), shown, line);
    }

    /// The last receipt of a submit is durable at its account's home; the correlation goes in the same commit.
    pub fn line_of_receipt(&self, entry: &Correlation, told: Option<&Told>, cx: &mut Context<'_>) {
        let Some(told) = told else { return };
        let line = Line { error: told.error, carrier_id: &told.carrier_id, ..self.line_of_end(entry, told.state, cx) };
        cx.write_line(entry.account, Some(entry.id), self.shown.get(entry.id), line);
    }

    /// The receipt of another part told of it.
    pub fn line_of_settling(&self, entry: &Correlation, state: MessageState, cx: &mut Context<'_>) {
        let line = Line { reason: b"whole_message", ..self.line_of_end(entry, state, cx) };
        cx.write_line(entry.account, Some(entry.id), self.shown.get(entry.id), line);
    }

    /// Its receipt did not come within the retention. A record says that it is gone, or the next process would say so again.
    pub fn line_of_expiry(&self, entry: &Correlation, cx: &mut Context<'_>) {
        let line = Line { reason: b"no_receipt", ..self.line_of_end(entry, MessageState::Unknown, cx) };
        cx.write_line(entry.account, Some(entry.id), self.shown.get(entry.id), line);
        cx.out.append(Record::CorrelationGone { carrier: self.id, id: entry.id, place: entry.place() });
    }

    fn line_of_end<'c>(&self, entry: &Correlation, state: MessageState, cx: &Context<'c>) -> Line<'c> {
        Line {
            event: Event::Final,
            submitted: entry.born,
            carrier: carrier_name(self.id, cx),
            state: state.name().as_bytes(),
            ..Line::default()
        }
    }
}

fn carrier_name<'c>(carrier: CarrierId, cx: &Context<'c>) -> &'c [u8] {
    let config: &'c crate::config::Config = cx.config;
    config.carrier(carrier).name.as_bytes()
}
