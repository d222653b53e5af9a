//! A message as it was given, checked field by field and made ready to be sent.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::addresses::{check_callback, destination, sender};
use super::fields::{
    CONCATENATIONS, ENCODINGS, Field, MOST_CLASS, MOST_DAYS, MOST_PRIORITY, MOST_REFERENCE, MOST_TEXT,
};
use super::json::{Fault, Given, Json};
use super::problem::{Kind, Problem};
use super::references::References;
use super::times;
use crate::config::Account;
use crate::engine::{policy, web};
use crate::smpp::compose::Draft;
use crate::smpp::text::{self, Alphabet, Encoded, TextError, Wanted};
use crate::smpp::time::SmppTime;
use crate::smpp::view::Address;

/// What messages are checked against.
pub(super) struct Checking<'a> {
    pub(super) account: &'a Account,
    pub(super) references: &'a References,
    pub(super) unix_seconds: u32,
    /// The request may be a later try of one that was answered already.
    pub(super) is_repeatable: bool,
}

/// A message that can be sent.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) message: web::Message,
    pub(super) alphabet: Alphabet,
    /// Only what it would be is asked.
    pub(super) is_dry_run: bool,
}

/// What is wrong with a message first.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) kind: Kind,
    field: Option<Cow<'static, str>>,
    detail: String,
}

const SECONDS_A_DAY: i64 = 86_400;
/// How long the first answer to an Idempotency-Key is repeated.
const REPEATED_FOR: i64 = SECONDS_A_DAY;

impl Ready {
    pub(super) fn of(given: &Given<'_>, checking: &Checking<'_>) -> Result<Self, Wrong> {
        if let Some(fault) = &given.fault {
            return Err(Wrong::of_fault(fault));
        }
        let to = read_text(given, Field::To, destination)?.ok_or_else(|| Wrong::missing(Field::To, ""))?;
        let from = match read_text(given, Field::From, sender)? {
            Some(from) => from,
            // The account's own replaces it where the message is routed.
            None if policy::has_own_sender(checking.account) => Address { ton: 0, npi: 0, digits: b"" },
            None => return Err(Wrong::missing(Field::From, ": the account has no sender of its own")),
        };
        let encoded = encode(given, checking.references)?;
        let class = read_whole(given, Field::Class, MOST_CLASS)?;
        let receipt = read_flag(given, Field::Receipt)?;
        let tell = read_tell(given, receipt, checking.account)?;
        let is_reference = |text: &&str| has_length(text, MOST_REFERENCE);
        let reference = read_text(given, Field::Reference, |text| Some(text).filter(is_reference))?.map(Into::into);
        let validity = read_validity(given)?;
        let priority = read_whole(given, Field::Priority, MOST_PRIORITY)?;
        let schedule = read_schedule(given, checking)?;
        if let (Some(validity), Some(schedule)) = (validity, schedule)
            && schedule - i64::from(checking.unix_seconds) >= validity.as_secs() as i64
        {
            return Err(Wrong::new(Field::Validity, "would be over before `schedule`"));
        }
        let is_dry_run = read_flag(given, Field::DryRun)?.unwrap_or(false);
        if encoded.parts.len() > 1 && !is_dry_run {
            checking.references.taken();
        }
        let asks_carrier = receipt.unwrap_or(matches!(tell, web::Tell::Url(_)));
        let draft = Draft {
            priority: priority.unwrap_or(0),
            schedule: schedule.map(SmppTime::At),
            validity: validity.map(SmppTime::In),
            registered_delivery: asks_carrier.into(),
            data_coding: encoded.alphabet.data_coding(class),
            ..Draft::new(from, to)
        };
        let message = web::Message { segments: draft.bodies(&encoded), reference, tell };
        Ok(Self { message, alphabet: encoded.alphabet, is_dry_run })
    }
}

fn encode(given: &Given<'_>, references: &References) -> Result<Encoded, Wrong> {
    let concatenation =
        read_text(given, Field::Concatenation, |word| CONCATENATIONS.iter().position(|of| *of == word))?;
    let reference = references.next(concatenation == Some(1));
    let encoding = read_text(given, Field::Encoding, |word| ENCODINGS.iter().position(|of| *of == word))?;
    let content = [Field::Text, Field::Hex, Field::Base64].into_iter().filter(|field| given.value(*field).is_some());
    let content: Vec<Field> = content.collect();
    match content[..] {
        [] => Err(Wrong::missing(Field::Text, ", or `hex` or `base64`")),
        [_, second, ..] => Err(Wrong::new(second, "cannot stand beside another of `text`, `hex` and `base64`")),
        [Field::Text] => {
            if given.value(Field::Udh).is_some() {
                return Err(Wrong::new(Field::Udh, "stands in front of `hex` or `base64` only"));
            }
            let wanted = [Wanted::Auto, Wanted::Gsm, Wanted::Ucs2][encoding.unwrap_or(0)];
            let is_text = |text: &&str| !text.is_empty() && !text.contains('\0');
            let text = read_text(given, Field::Text, |text| Some(text).filter(is_text))?.unwrap_or_default();
            if !has_length(text, MOST_TEXT) {
                return Err(Wrong::of_text(TextError::TooLong, Field::Text));
            }
            text::encode(text, wanted, reference).map_err(|error| Wrong::of_text(error, Field::Text))
        }
        [field] => {
            if encoding.is_some() {
                return Err(Wrong::new(Field::Encoding, "is for `text` only"));
            }
            let is_hex = field == Field::Hex;
            let octets = read_text(given, field, |text| if is_hex { hex(text) } else { STANDARD.decode(text).ok() })?;
            let octets = octets.filter(|octets| !octets.is_empty()).ok_or_else(|| Wrong::of(field))?;
            let udh = read_text(given, Field::Udh, hex)?;
            text::encode_binary(&octets, udh.as_deref(), reference).map_err(|error| Wrong::of_text(error, field))
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}

fn read_tell(given: &Given<'_>, receipt: Option<bool>, account: &Account) -> Result<web::Tell, Wrong> {
    let Some(url) = read_text(given, Field::Callback, Some)? else {
        let has_callback = receipt == Some(true) && account.callback.is_some();
        return Ok(if has_callback { web::Tell::Account } else { web::Tell::Nobody });
    };
    check_callback(url, account).map_err(|(kind, why)| Wrong { kind, ..Wrong::new(Field::Callback, why) })?;
    if receipt == Some(false) {
        return Err(Wrong::new(Field::Callback, "is told of receipts, and `receipt` is false"));
    }
    Ok(web::Tell::Url(url.into()))
}

fn read_validity(given: &Given<'_>) -> Result<Option<Duration>, Wrong> {
    let span = match given.value(Field::Validity) {
        None => return Ok(None),
        Some(Json::Whole(seconds)) => Some(Duration::from_secs(*seconds)),
        Some(Json::Text(text)) => times::read_span(text),
        Some(Json::Flag(_) | Json::Other) => None,
    };
    let possible = Duration::from_secs(1)..=Duration::from_secs(MOST_DAYS * 86_400);
    span.filter(|span| possible.contains(span)).map(Some).ok_or_else(|| Wrong::of(Field::Validity))
}

/// When it is to leave. `None`: at once, as one whose time came while its request was repeated.
fn read_schedule(given: &Given<'_>, checking: &Checking<'_>) -> Result<Option<i64>, Wrong> {
    let Some(schedule) = read_text(given, Field::Schedule, times::read)? else { return Ok(None) };
    let ahead = schedule - i64::from(checking.unix_seconds);
    if (1..=MOST_DAYS as i64 * SECONDS_A_DAY).contains(&ahead) {
        return Ok(Some(schedule));
    }
    if checking.is_repeatable && (-REPEATED_FOR..=0).contains(&ahead) {
        return Ok(None);
    }
    Err(Wrong::of(Field::Schedule))
}

fn has_length(text: &str, most: usize) -> bool {
    !text.is_empty() && !text.contains('\0') && (text.len() <= most || text.chars().count() <= most)
}

/// What a field's text means to `read`; `None` when the field is not there.
fn read_text<'g, T>(
    given: &'g Given<'_>,
    field: Field,
    read: impl FnOnce(&'g str) -> Option<T>,
) -> Result<Option<T>, Wrong> {
    match given.value(field) {
        None => Ok(None),
        Some(Json::Text(text)) => read(text).map(Some).ok_or_else(|| Wrong::of(field)),
        Some(Json::Whole(_) | Json::Flag(_) | Json::Other) => Err(Wrong::of(field)),
    }
}

fn read_whole(given: &Given<'_>, field: Field, most: u64) -> Result<Option<u8>, Wrong> {
    match given.value(field) {
        None => Ok(None),
        Some(Json::Whole(number)) if *number <= most => Ok(Some(*number as u8)),
        Some(Json::Whole(_) | Json::Text(_) | Json::Flag(_) | Json::Other) => Err(Wrong::of(field)),
    }
}

fn read_flag(given: &Given<'_>, field: Field) -> Result<Option<bool>, Wrong> {
    match given.value(field) {
        None => Ok(None),
        Some(Json::Flag(flag)) => Ok(Some(*flag)),
        Some(Json::Whole(_) | Json::Text(_) | Json::Other) => Err(Wrong::of(field)),
    }
}

impl Wrong {
    fn of(field: Field) -> Self {
        Self::new(field, &format!("must be {}", field.expected()))
    }

    fn new(field: Field, why: &str) -> Self {
        let name = field.name();
        Self { kind: Kind::Invalid, field: Some(name.into()), detail: format!("`{name}` {why}.") }
    }

    fn missing(field: Field, why: &str) -> Self {
        Self::new(field, &format!("is needed{why}"))
    }

    fn of_text(error: TextError, content: Field) -> Self {
        let why = error.to_string();
        match error {
            TextError::TooLong => Self { kind: Kind::TextTooLong, ..Self::new(content, &why) },
            TextError::NotGsm { .. } => Self::new(content, &format!("cannot be in `gsm`: {why}")),
            TextError::HeaderUnreadable | TextError::HeaderTooLong | TextError::HeaderOfPart => {
                Self::new(Field::Udh, &why)
            }
        }
    }

    fn of_fault(fault: &Fault) -> Self {
        let unknown = |field: Option<Cow<'static, str>>, detail| Self { kind: Kind::Invalid, field, detail };
        match fault {
            Fault::NoObject => unknown(None, "A message must be a JSON object.".to_owned()),
            Fault::Unknown(name) => unknown(Some(name.clone().into()), format!("There is no field {name:?}.")),
            Fault::Twice(field) => Self::new(*field, "is given twice"),
        }
    }

    /// As a problem of the request's only message, or of the one at this place among several.
    pub(super) fn problem(self, place: Option<usize>) -> Problem {
        let problem = Problem::new(self.kind, self.detail);
        match (place, self.field) {
            (None, None) => problem,
            (None, Some(field)) => problem.field(&field),
            (Some(place), None) => problem.field(&format!("messages[{place}]")),
            (Some(place), Some(field)) => problem.field(&format!("messages[{place}].{field}")),
        }
    }
}
