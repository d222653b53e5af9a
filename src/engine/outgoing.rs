//! What a carrier is sent of a submit: its octets as they came, or with the sender its account has it sent from, and as the
//! carrier's profile has them rewritten. And the way back: a receipt tells of the addresses that the customer sent.
//!
//! The submit's own octets are kept beside, for the next carrier may want them otherwise.

use ahash::AHashMap;

use super::carrier::{Carrier, Pending};
use super::context::Context;
use super::correlation::Correlation;
use super::message::{Batch, Octets, SubmitInfo};
use super::policy;
use super::router::significant;
use super::state_record::SentAs;
use super::submit::hash_digits;
use crate::config::{AddressKind, AddressRules, LongSender, NumberFormat, Rewriting, SourceRules};
use crate::smpp::command::CommandStatus;
use crate::smpp::edit::{self, Edits, FittedAddress};
use crate::smpp::message_id::MessageId;
use crate::smpp::view::{Address, SmView};

/// A submit as its carrier is sent it.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Empty: as it came.
    pub body: Vec<u8>,
    /// Its addresses are others than the customer's.
    is_readdressed: bool,
}

impl Outgoing {
    /// The octets for the carrier; `body` is what came.
    #[must_use]
    pub fn sent<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        if self.body.is_empty() { body } else { &self.body }
    }
}

impl Pending {
    /// The octets for the carrier.
    #[must_use]
    pub fn sent(&self) -> &[u8] {
        self.outgoing.sent(&self.body)
    }

    /// Both addresses as the customer sent them, when the carrier was sent others.
    #[must_use]
    pub fn readdressed(&self) -> &[u8] {
        if self.outgoing.is_readdressed { self.addresses() } else { b"" }
    }

    /// Both addresses as the customer sent them.
    #[must_use]
    pub fn addresses(&self) -> &[u8] {
        SmView::submit(&self.body).map(|view| edit::addresses(&self.body, &view)).unwrap_or_default()
    }
}

impl Pending {
    /// Writes what the carrier knows of it, for those who ask for its state.
    pub(super) fn sent_as(&self, carrier_id: &[u8], batch: &mut Batch) -> Octets {
        let at = batch.bytes.len();
        if let Ok(came) = SmView::submit(&self.body)
            && let Ok(went) = SmView::submit(self.sent())
        {
            let (source, destination) = (came.source, came.destination);
            let (carrier_source, carrier_destination) = (went.source, went.destination);
            SentAs { carrier_id, source, destination, carrier_source, carrier_destination }.write(&mut batch.bytes);
        }
        batch.since(at)
    }
}

impl Carrier {
    /// What this carrier is to be sent, and in `info` what it will tell receipts apart by; or why it must not be sent this.
    pub(super) fn outgoing(
        &mut self,
        body: &[u8],
        info: &mut SubmitInfo,
        cx: &Context<'_>,
    ) -> Result<Outgoing, CommandStatus> {
        let rewriting = &cx.config.carrier(self.id).profile.submits.rewriting;
        let account = cx.config.account(info.account);
        if rewriting.is_none() && !policy::has_own_sender(account) {
            return Ok(Outgoing::default());
        }
        let view = SmView::submit(body)?;
        let sender = policy::sender(account, view.source);
        let edits = match rewriting {
            Some(rewriting) => edits(rewriting, &view, sender)?,
            None if sender == view.source => return Ok(Outgoing::default()),
            None => {
                let source = FittedAddress::new(sender.ton, sender.npi, [sender.digits, b""]);
                Edits { source: Some(source.ok_or(CommandStatus::RINVSRCADR)?), ..Edits::default() }
            }
        };
        if let Some(destination) = &edits.destination {
            info.destination = hash_digits(significant(destination.digits()));
        }
        let is_readdressed = edits.source.is_some() || edits.destination.is_some();
        let mut octets = self.spare.pop().unwrap_or_default();
        edit::write(body, &view, &edits, &mut octets);
        Ok(Outgoing { body: octets, is_readdressed })
    }

    /// Which of several submits under one id the customer sent to this handset. Receipts may bring the number as it was before it
    /// was rewritten to the carrier's taste.
    pub(super) fn sent_to(&self, handset: &[u8], any: &Correlation) -> Option<Correlation> {
        self.correlations.find_only(any.fingerprint, |entry| self.was_addressed(handset, entry))
    }

    /// Whether this submit went to this handset, by the number the carrier was sent or the customer's own.
    pub(super) fn went_to(&self, handset: &[u8], entry: &Correlation) -> bool {
        entry.destination == hash_digits(significant(handset)) || self.was_addressed(handset, entry)
    }

    fn was_addressed(&self, handset: &[u8], entry: &Correlation) -> bool {
        let destination = edit::destination(self.readdressed.addresses(entry.id));
        destination.is_some_and(|destination| significant(destination) == significant(handset))
    }
}

/// What a profile changes in this submit, which its account sends from `from`.
fn edits<'a>(rewriting: &'a Rewriting, view: &SmView<'_>, from: Address<'_>) -> Result<Edits<'a>, CommandStatus> {
    if rewriting.tlvs.missing(view).is_some() {
        return Err(CommandStatus::RMISSINGOPTPARAM);
    }
    let source = sender(&rewriting.source, from).ok_or(CommandStatus::RINVSRCADR)?;
    let destination = readdress(&rewriting.destination, view.destination).ok_or(CommandStatus::RINVDSTADR)?;
    let validity = rewriting.validity.as_deref().filter(|_| view.validity.is_empty());
    let data_coding = rewriting.data_coding.iter().find(|(from, _)| *from == view.data_coding);
    Ok(Edits {
        service_type: rewriting.service_type.as_deref().map(str::as_bytes),
        source: Some(source).filter(|source| source.address() != view.source),
        destination: Some(destination).filter(|destination| destination.address() != view.destination),
        validity: validity.map(str::as_bytes),
        data_coding: data_coding.map(|(_, to)| *to),
        text: rewriting.alphabet.converted(view),
        tlvs: Some(&rewriting.tlvs),
    })
}

/// `None` when the carrier is to have none such.
fn sender(rules: &SourceRules, came: Address<'_>) -> Option<FittedAddress> {
    /// What a handset shows of a name (3GPP TS 23.040, section 9.1.2.5).
    const LONGEST_NAME: usize = 11;
    let default = rules.default.as_ref().filter(|_| came.digits.is_empty());
    let own = rules.force.as_ref().or(default).map(|digits| policy::own_address(digits));
    let sender = readdress(&rules.address, own.unwrap_or(came))?;
    let is_long = sender.digits().len() > LONGEST_NAME && shape(sender.digits(), 0) == Shape::Alphanumeric;
    match rules.long_sender {
        LongSender::Cut if is_long => {
            FittedAddress::new(sender.ton, sender.npi, [&sender.digits()[..LONGEST_NAME], b""])
        }
        LongSender::Refuse if is_long => None,
        LongSender::Pass | LongSender::Cut | LongSender::Refuse => Some(sender),
    }
}

/// `None` when it would not fit its field.
fn readdress(rules: &AddressRules, came: Address<'_>) -> Option<FittedAddress> {
    let Address { ton, npi, digits } = came;
    if digits.is_empty() {
        return FittedAddress::new(ton, npi, [b"", b""]);
    }
    let ruled = rules.rewrite.iter().find_map(|rule| rule.from.rest(digits).map(|rest| (rule, rest)));
    let ruled = match ruled {
        Some((rule, rest)) => {
            FittedAddress::new(ton, npi, [rule.to.as_bytes(), if rule.keeps_rest { rest } else { b"" }])?
        }
        None => FittedAddress::new(ton, npi, [digits, b""])?,
    };
    let digits = ruled.digits();
    let shape = shape(digits, rules.short_digits);
    let mark = |kind: AddressKind| (kind.ton.unwrap_or(ton), kind.npi.unwrap_or(npi));
    let (ton, npi) = match shape {
        Shape::Alphanumeric => mark(rules.alphanumeric),
        Shape::Short => mark(rules.short),
        Shape::National => mark(rules.national),
        Shape::International => mark(rules.number),
    };
    let (prefix, number) = match rules.format {
        _ if shape != Shape::International => (&b""[..], digits),
        NumberFormat::AsIs => (&b""[..], digits),
        NumberFormat::Plus => (&b"+"[..], significant(digits)),
        NumberFormat::Zeros => (&b"00"[..], significant(digits)),
        NumberFormat::Digits => (&b""[..], significant(digits)),
    };
    FittedAddress::new(ton, npi, [prefix, number])
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    Alphanumeric,
    Short,
    /// Begins with a 0 that is no part of `00`.
    National,
    International,
}

fn shape(digits: &[u8], short_digits: u8) -> Shape {
    let number = significant(digits);
    if !number.iter().all(u8::is_ascii_digit) {
        Shape::Alphanumeric
    } else if number.len() == digits.len() && number.len() <= usize::from(short_digits) {
        Shape::Short
    } else if number.starts_with(b"0") {
        Shape::National
    } else {
        Shape::International
    }
}

/// Addresses as customers sent them, of submits whose receipts will come with others. An entry lives as long as its correlation.
#[derive(Debug, Default)]
pub struct Readdressed {
    /// By some bits of the id, so that none of them grows for long; none before the first entry.
    tables: Vec<AHashMap<MessageId, Box<[u8]>>>,
}

impl Readdressed {
    const TABLES: usize = 256;

    /// Nothing is kept of what was not readdressed.
    pub fn insert(&mut self, id: MessageId, addresses: &[u8]) {
        if addresses.is_empty() {
            return;
        }
        if self.tables.is_empty() {
            self.tables.resize_with(Self::TABLES, AHashMap::default);
        }
        self.tables[Self::table(id)].insert(id, addresses.into());
    }

    pub fn remove(&mut self, id: MessageId) {
        if let Some(table) = self.tables.get_mut(Self::table(id)) {
            table.remove(&id);
        }
    }

    /// Both addresses; nothing when the carrier was sent the same.
    #[must_use]
    pub fn addresses(&self, id: MessageId) -> &[u8] {
        self.tables.get(Self::table(id)).and_then(|table| table.get(&id)).map_or(b"", |addresses| addresses)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the receipt that begins at `at` the addresses its customer knows.
    pub(super) fn give_back(&self, id: MessageId, out: &mut Vec<u8>, at: usize) {
        let addresses = self.addresses(id);
        if !addresses.is_empty() {
            edit::give_back(addresses, out, at);
        }
    }

    fn table(id: MessageId) -> usize {
        id.bits() as usize % Self::TABLES
    }
}

#[cfg(test)]
mod tests;
