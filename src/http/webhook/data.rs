//! Events as JSON.

use serde_json::{Map, Value, json};

use crate::config::Account;
use crate::engine::web::{Event, SegmentStatus, Status, What};
use crate::http::status::{sender, word};
use crate::http::times::rfc3339;
use crate::smpp::segment::segment_ref;
use crate::smpp::text;
use crate::smpp::view::SmView;

/// An event that has a call for itself.
pub(super) fn alone(event: &Event, account: &Account) -> Value {
    json!({ "type": kind(event), "timestamp": rfc3339(event.at), "data": data(event, account) })
}

/// An event among others: the call's id is not its own.
pub(super) fn with_id(event: &Event, account: &Account) -> Value {
    let mut value = alone(event, account);
    value["id"] = event.id.text(account.message_id).to_string().into();
    value
}

fn kind(event: &Event) -> &'static str {
    match event.what {
        What::Receipt { .. } => "receipt",
        What::Message { .. } => "message",
    }
}

fn data(event: &Event, account: &Account) -> Value {
    match &event.what {
        What::Receipt { status, text } => receipt(status, text, account),
        What::Message { parts, total } => message(event, parts, *total, account),
    }
}

fn receipt(status: &Status, text: &[u8], account: &Account) -> Value {
    let mut data = Map::new();
    data.insert("id".to_owned(), status.id.text(account.message_id).to_string().into());
    data.insert("state".to_owned(), word(status.state).into());
    data.insert("error".to_owned(), error(status).into());
    data.insert("from".to_owned(), String::from_utf8_lossy(sender(status, account)).into());
    data.insert("to".to_owned(), String::from_utf8_lossy(&status.destination).into());
    data.insert("segments".to_owned(), status.segments.iter().map(segment).collect());
    if let Some(reference) = &status.reference {
        data.insert("reference".to_owned(), reference.as_ref().into());
    }
    if !text.is_empty() {
        data.insert("text".to_owned(), String::from_utf8_lossy(text).into());
    }
    insert_time(&mut data, "submitted", status.submitted);
    insert_time(&mut data, "finished", status.finished);
    data.into()
}

fn segment(segment: &SegmentStatus) -> Value {
    let mut data = Map::new();
    data.insert("state".to_owned(), word(segment.state).into());
    data.insert("error".to_owned(), segment.error.into());
    insert_time(&mut data, "accepted", segment.accepted);
    insert_time(&mut data, "finished", segment.finished);
    data.into()
}

/// Of the segment that made the message's state what it is; else of any.
fn error(status: &Status) -> u32 {
    let errors = || status.segments.iter().filter(|segment| segment.error != 0);
    let of_state = errors().find(|segment| segment.state == status.state);
    of_state.or_else(|| errors().next()).map_or(0, |segment| segment.error)
}

/// What has not happened is left out.
fn insert_time(data: &mut Map<String, Value>, key: &str, unix_seconds: u32) {
    if unix_seconds != 0 {
        data.insert(key.to_owned(), rfc3339(unix_seconds).into());
    }
}

/// A long message's parts are joined before they are read, for a character may be cut in two between them.
fn message(event: &Event, parts: &[Box<[u8]>], total: u8, account: &Account) -> Value {
    let views: Vec<SmView<'_>> = parts.iter().filter_map(|part| SmView::deliver(part).ok()).collect();
    let mut data = Map::new();
    data.insert("id".to_owned(), event.id.text(account.message_id).to_string().into());
    data.insert("parts".to_owned(), total.into());
    insert_time(&mut data, "received", event.at);
    if views.len() < usize::from(total) {
        let came: Vec<u8> = views.iter().filter_map(segment_ref).map(|part| part.number).collect();
        data.insert("missing".to_owned(), (1..=total).filter(|number| !came.contains(number)).collect());
    }
    let Some(first) = views.first() else { return data.into() };
    data.insert("from".to_owned(), String::from_utf8_lossy(first.source.digits).into());
    data.insert("to".to_owned(), String::from_utf8_lossy(first.destination.digits).into());
    data.insert("data_coding".to_owned(), first.data_coding.into());
    let octets: Vec<u8> = views.iter().flat_map(SmView::text_behind_header).copied().collect();
    let is_alike = views.iter().all(|view| view.data_coding == first.data_coding);
    match text::decode(first.data_coding, &octets).filter(|_| is_alike) {
        Some(text) => {
            data.insert("encoding".to_owned(), text::coding_name(first.data_coding, &octets).into());
            data.insert("text".to_owned(), text.into());
        }
        None => {
            data.insert("encoding".to_owned(), "binary".into());
            data.insert("hex".to_owned(), hex(&octets).into());
            // Says for which port or application the octets are.
            let header = first.text().len() - first.text_behind_header().len();
            if header > 0 {
                data.insert("udh".to_owned(), hex(&first.text()[..header]).into());
            }
        }
    }
    data.into()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |hex, octet| hex + &format!("{octet:02x}"))
}
