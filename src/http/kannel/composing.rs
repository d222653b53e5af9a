//! A sendsms as messages, one for each receiver.

use super::answers::Refusal;
use super::escapes::{FromRequest, prepare};
use super::reading::{Content, Sendsms, number_of};
use crate::config::Account;
use crate::engine::web::{Message, Tell, dlr};
use crate::http::addresses;
use crate::smpp::compose::Draft;
use crate::smpp::text::{self, Encoded, Reference, TextError, Wanted};
use crate::smpp::time::SmppTime;
use crate::smpp::view::{Address, esm_class};

/// What messages are composed with.
pub(super) struct With<'a> {
    pub account: &'a Account,
    pub unix_seconds: u32,
    pub reference: Reference,
}

/// Of one request: a thousand receivers of the longest text would take a hundred megabytes.
const MOST_SEGMENTS: usize = 10_000;
const NO_SENDER: Address<'static> = Address { ton: 0, npi: 0, digits: b"" };

pub(super) fn messages(sendsms: &Sendsms, with: &With<'_>) -> Result<Vec<Message>, Refusal> {
    let encoded = encode(sendsms, with.reference).map_err(|error| refusal(&error))?;
    if encoded.parts.len() * sendsms.receivers.numbers.len() > MOST_SEGMENTS {
        return Err(Refusal::bad("Too many receivers of so long a text, rejected"));
    }
    sendsms.receivers.numbers.iter().map(|receiver| message(sendsms, &encoded, receiver, with)).collect()
}

fn message(sendsms: &Sendsms, encoded: &Encoded, receiver: &[u8], with: &With<'_>) -> Result<Message, Refusal> {
    let number = number_of(receiver).ok_or(Refusal::DENIED)?;
    let destination = addresses::destination(&number).ok_or(Refusal::DENIED)?;
    let at = |minutes: u32| SmppTime::At(i64::from(with.unix_seconds) + 60 * i64::from(minutes));
    let draft = Draft {
        service_type: &sendsms.service_type,
        esm_class: if sendsms.has_reply_path { esm_class::REPLY_PATH } else { 0 },
        protocol_id: sendsms.protocol_id,
        priority: sendsms.priority,
        schedule: sendsms.deferred.map(at),
        validity: sendsms.validity.map(at),
        registered_delivery: registered_delivery(sendsms.mask),
        data_coding: sendsms.coding.data_coding(encoded.alphabet, sendsms.content.is_empty()),
        ..Draft::new(addresses::sender(&sendsms.sender).unwrap_or(NO_SENDER), destination)
    };
    let tell = tell(sendsms, receiver, with.account)?;
    Ok(Message { segments: draft.bodies(encoded), reference: None, tell })
}

impl Content {
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) | Self::Gsm(text) | Self::Ucs2(text) => text.is_empty(),
            Self::Octets(octets) => octets.is_empty(),
        }
    }
}

fn encode(sendsms: &Sendsms, reference: Reference) -> Result<Encoded, TextError> {
    let header = sendsms.header.as_deref();
    match &sendsms.content {
        Content::Text(text) => text::encode_with_header(text, header, Wanted::Auto, reference),
        Content::Ucs2(text) => text::encode_with_header(text, header, Wanted::Ucs2, reference),
        Content::Octets(octets) => text::encode_binary(octets, header, reference),
        Content::Gsm(text) => {
            let known = |character| if text::is_gsm(character) { character } else { '?' };
            let text: String = text.chars().map(known).collect();
            text::encode_with_header(&text, header, Wanted::Gsm, reference)
        }
    }
}

fn refusal(error: &TextError) -> Refusal {
    match error {
        TextError::HeaderUnreadable => Refusal::wrong("UDH"),
        TextError::HeaderTooLong => Refusal::bad("UDH field is too long, rejected"),
        TextError::HeaderOfPart => Refusal::bad("UDH field marks a part, and the text does not fit into one, rejected"),
        TextError::TooLong => Refusal::bad("Text is too long, rejected"),
        TextError::NotGsm { .. } => Refusal::bad("Charset or body misformed, rejected"),
    }
}

/// Which receipts a mask asks the carrier for (SMPP 3.4, section 5.2.17).
fn registered_delivery(mask: u8) -> u8 {
    let asks = |bit| mask & bit != 0;
    let last = match (asks(dlr::DELIVERED), asks(dlr::UNDELIVERED)) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 0,
    };
    last | if asks(dlr::BUFFERED) { 0x10 } else { 0 }
}

/// Without a dlr-url the account's callback is told, if it has one.
fn tell(sendsms: &Sendsms, receiver: &[u8], account: &Account) -> Result<Tell, Refusal> {
    let Some(url) = &sendsms.dlr_url else {
        return Ok(if sendsms.mask == 0 { Tell::Nobody } else { Tell::Account });
    };
    let own = account.default_sender.as_deref().filter(|_| sendsms.sender.is_empty());
    let sender = account.force_sender.as_deref().or(own).unwrap_or(&sendsms.sender);
    let url = prepare(url, &FromRequest { sender: sender.as_bytes(), receiver });
    addresses::check_callback(&url, account).map_err(|(kind, why)| Refusal::callback(kind, why))?;
    Ok(Tell::Kannel { url: url.into(), mask: sendsms.mask })
}
