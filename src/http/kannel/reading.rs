//! The parameters of a sendsms, checked in smsbox's order and refused in its words.

use ahash::AHashSet;
use encoding_rs::{UTF_8, UTF_16BE};

use super::answers::Refusal;
use super::charset;
use super::coding::Coding;
use super::said::{CODING_OF_TYPE, Said, UNDEFINED};
use crate::config::Account;
use crate::engine::web::dlr;
use crate::http::addresses;
use crate::http::fields::{MOST_MESSAGES, MOST_URL};

/// A request that was understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Sendsms {
    pub receivers: Receivers,
    /// Empty where the account has one of its own.
    pub sender: String,
    pub content: Content,
    /// A user data header.
    pub header: Option<Vec<u8>>,
    pub coding: Coding,
    pub protocol_id: u8,
    pub has_reply_path: bool,
    pub priority: u8,
    /// Minutes from now on.
    pub validity: Option<u32>,
    pub deferred: Option<u32>,
    pub service_type: Vec<u8>,
    /// Which reports are asked for; nothing where none are.
    pub mask: u8,
    /// As it was written, and only with a mask.
    pub dlr_url: Option<Vec<u8>>,
}

/// To whom, as it was written: none stands there twice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::http) struct Receivers {
    /// At least one.
    pub numbers: Vec<Vec<u8>>,
    /// What is no number.
    pub denied: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// In the alphabet that has it all.
    Text(String),
    /// In GSM, and what that lacks is a question mark.
    Gsm(String),
    Ucs2(String),
    Octets(Vec<u8>),
}

/// As smsbox has it, with bits for failures of two kinds more.
const MOST_MASK: u8 = 66;
const MOST_ACCOUNT: usize = 64;
const MOST_SERVICE_TYPE: usize = 5;
/// Longer ahead than SMPP's times can say for sure.
const MOST_MINUTES: i64 = 10 * 366 * 24 * 60;

pub(super) fn read(said: &Said, account: &Account) -> Result<Sendsms, Refusal> {
    let to = said.get("to").ok_or(missing_receiver(said))?;
    if to.is_empty() {
        return Err(Refusal::bad("Empty receiver number not allowed, rejected"));
    }
    let header = header(said)?;
    let receivers = receivers(to)?;
    let sender = sender(said, account)?;
    check_account(said.text("account"))?;
    let dlr_url = dlr_url(said)?;
    let mask = if said.get("dlr-mask").is_some() { "dlr-mask" } else { "dlrmask" };
    let mask = number(said, mask, "DLR-Mask", MOST_MASK)?.map_or(0, with_failures);
    let class = number(said, "mclass", "MClass", 3)?;
    let protocol_id = number(said, "pid", "PID", 255)?.unwrap_or(0);
    let has_reply_path = number(said, "rpi", "RPI", 2)?.is_some_and(|rpi| rpi > 0);
    let is_short = number(said, "alt-dcs", "Alt-DCS", 1)? == Some(1);
    let waiting = number(said, "mwi", "MWI", 7)?;
    let coding = number(said, "coding", "Coding", 2)?;
    let is_compressed = number(said, "compress", "Compress", 1)? == Some(1);
    let validity = minutes(said, "validity", "Validity")?;
    let deferred = minutes(said, "deferred", "Deferred")?;
    let priority = number(said, "priority", "Priority", 3)?.unwrap_or(0);
    let content = content(said, coding, header.is_some())?;
    let service_type = service_type(said)?;
    check_meta_data(said.text("meta-data"))?;
    Ok(Sendsms {
        receivers,
        sender,
        content,
        header,
        coding: Coding { class, waiting, is_compressed, is_short },
        protocol_id,
        has_reply_path,
        priority,
        validity,
        deferred,
        service_type,
        mask,
        // Nobody is told anything.
        dlr_url: dlr_url.filter(|_| mask != 0),
    })
}

fn missing_receiver(said: &Said) -> Refusal {
    Refusal::bad(if said.is_posted {
        "Missing receiver(s) number(s), rejected"
    } else {
        "Missing receiver number, rejected"
    })
}

/// Its bits for two kinds of failures ask for failures.
fn with_failures(mask: u8) -> u8 {
    const KINDS: u8 = 0x20 | 0x40;
    if mask & KINDS == 0 { mask } else { mask & !KINDS | dlr::UNDELIVERED }
}

/// A whole number up to `most`, or nothing; -1 is nothing too.
fn number(said: &Said, name: &str, shown: &str, most: u8) -> Result<Option<u8>, Refusal> {
    match said.number(name) {
        UNDEFINED => Ok(None),
        number => u8::try_from(number).ok().filter(|number| *number <= most).map(Some).ok_or(Refusal::wrong(shown)),
    }
}

fn minutes(said: &Said, name: &str, shown: &str) -> Result<Option<u32>, Refusal> {
    match said.number(name) {
        UNDEFINED => Ok(None),
        minutes @ 0..=MOST_MINUTES => Ok(Some(minutes as u32)),
        _ => Err(Refusal::wrong(shown)),
    }
}

/// An empty one is none.
fn header(said: &Said) -> Result<Option<Vec<u8>>, Refusal> {
    let udh = match said.get("udh") {
        None | Some([]) => return Ok(None),
        Some(udh) => udh,
    };
    if udh.len() != usize::from(udh[0]) + 1 {
        return Err(Refusal::wrong("UDH"));
    }
    Ok(Some(udh.to_vec()))
}

fn receivers(to: &[u8]) -> Result<Receivers, Refusal> {
    let mut receivers = Receivers::default();
    let mut seen = AHashSet::new();
    for written in to.split(u8::is_ascii_whitespace).filter(|written| !written.is_empty()) {
        if !seen.insert(written) {
            continue;
        }
        if seen.len() > MOST_MESSAGES {
            return Err(Refusal::bad("Too many receivers, rejected"));
        }
        let Receivers { numbers, denied } = &mut receivers;
        let list = if number_of(written).is_some() { numbers } else { denied };
        list.push(written.to_vec());
    }
    if receivers.numbers.is_empty() { Err(Refusal::DENIED) } else { Ok(receivers) }
}

/// The number, with its + or 00 and without what only makes it easier to read.
pub(super) fn number_of(written: &[u8]) -> Option<String> {
    let number: Vec<u8> = written.iter().copied().filter(|octet| *octet != b'-').collect();
    String::from_utf8(number).ok().filter(|number| addresses::destination(number).is_some())
}

fn sender(said: &Said, account: &Account) -> Result<String, Refusal> {
    let from = said.text("from");
    if account.force_sender.is_some() || from.is_empty() && account.default_sender.is_some() {
        return Ok(String::new());
    }
    if from.is_empty() {
        return Err(Refusal::bad("Sender missing and no global set, rejected"));
    }
    let sender = std::str::from_utf8(from).ok().filter(|sender| addresses::sender(sender).is_some());
    sender.map(str::to_owned).ok_or(Refusal::wrong("From"))
}

fn check_account(account: &[u8]) -> Result<(), Refusal> {
    let is_sound = account.len() <= MOST_ACCOUNT && !account.iter().any(|octet| b"[]\n\r".contains(octet));
    if is_sound { Ok(()) } else { Err(Refusal::bad("Account field misformed or too long, rejected")) }
}

/// Of http or https, whatever case that is written in.
fn dlr_url(said: &Said) -> Result<Option<Vec<u8>>, Refusal> {
    let url = said.either(["dlr-url", "dlrurl"]).filter(|url| !url.is_empty());
    let Some(url) = url else { return Ok(None) };
    let with = |scheme: &str| {
        let (written, rest) = url.split_at_checked(scheme.len())?;
        written.eq_ignore_ascii_case(scheme.as_bytes()).then(|| [scheme.as_bytes(), rest].concat())
    };
    let url = with("http://").or_else(|| with("https://")).filter(|url| url.len() <= MOST_URL);
    url.map(Some).ok_or(Refusal::wrong("DLR-URL"))
}

fn content(said: &Said, coding: Option<u8>, has_header: bool) -> Result<Content, Refusal> {
    let (octets, named) = (said.text("text"), said.text("charset"));
    // A header without a coding is one of octets, but not where the body's own type says that it is a text.
    let is_octets = match said.get(CODING_OF_TYPE) {
        Some(coding) => coding == b"1",
        None => has_header,
    };
    match coding {
        Some(0) => charset::text(octets, named, UTF_8).map(Content::Gsm),
        Some(2) => charset::text(octets, named, UTF_16BE).map(Content::Ucs2),
        None if !is_octets => charset::text(octets, named, UTF_8).map(Content::Text),
        Some(_) | None => Ok(Content::Octets(octets.to_vec())),
    }
}

/// It goes out as the service_type.
fn service_type(said: &Said) -> Result<Vec<u8>, Refusal> {
    let binfo = said.text("binfo");
    let is_sound = binfo.len() <= MOST_SERVICE_TYPE && !binfo.contains(&0);
    if is_sound { Ok(binfo.to_vec()) } else { Err(Refusal::wrong("BInfo")) }
}

/// What is to be written into the submit_sm and would not be: better refused than sent as something else.
fn check_meta_data(data: &[u8]) -> Result<(), Refusal> {
    const GROUP: &[u8] = b"?smpp?";
    let is_for_smpp = data.windows(GROUP.len()).any(|octets| octets == GROUP);
    if is_for_smpp { Err(Refusal::bad("Meta-Data of the group smpp is not supported, rejected")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
