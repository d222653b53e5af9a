//! TLVs by number or name: required, left out, set or added.

use std::ops::RangeInclusive;

use crate::config::raw::Node;
use crate::config::reader::{Fields, Value};
use crate::smpp::edit::{OwnTlv, TlvEdits};
use crate::smpp::view::tag;

/// Names of the specification (SMPP 3.4, section 5.3.2), and of India's DLT.
const NAMES: [(&str, u16); 20] = [
    ("dest_addr_subunit", 0x0005),
    ("source_addr_subunit", 0x000D),
    ("payload_type", 0x0019),
    ("privacy_indicator", 0x0201),
    ("source_subaddress", 0x0202),
    ("dest_subaddress", 0x0203),
    ("user_message_reference", tag::USER_MESSAGE_REFERENCE),
    ("user_response_code", 0x0205),
    ("source_port", 0x020A),
    ("destination_port", 0x020B),
    ("sar_msg_ref_num", tag::SAR_MSG_REF_NUM),
    ("language_indicator", 0x020D),
    ("sar_total_segments", tag::SAR_TOTAL_SEGMENTS),
    ("sar_segment_seqnum", tag::SAR_SEGMENT_SEQNUM),
    ("callback_num", 0x0381),
    ("more_messages_to_send", tag::MORE_MESSAGES_TO_SEND),
    ("alert_on_message_delivery", 0x130C),
    ("dlt_entity_id", 0x1400),
    ("dlt_template_id", 0x1401),
    ("dlt_telemarketer_id", 0x1402),
];

/// The longest value we put; a carrier's PDU has room for more, but no such TLV is known.
const LONGEST_VALUE: usize = 1024;

pub(super) fn read(fields: &mut Fields<'_>, base: &TlvEdits) -> TlvEdits {
    let edits = TlvEdits {
        require: fields.parse_list("require", one).unwrap_or_else(|| base.require.clone()),
        drop: fields.parse_list("drop", several).unwrap_or_else(|| base.drop.clone()),
        set: read_own(fields, "set").unwrap_or_else(|| base.set.clone()),
        add: read_own(fields, "add").unwrap_or_else(|| base.add.clone()),
    };
    if let Some(own) = edits.add.iter().find(|own| edits.set.iter().any(|set| set.tag == own.tag)) {
        let message = format!("0x{:04X} is in `set` too, which puts it there in any case", own.tag);
        fields.reading.problem(fields.path_of("add"), message);
    }
    edits
}

fn read_own(fields: &mut Fields<'_>, key: &'static str) -> Option<Vec<OwnTlv>> {
    let mut all: Vec<OwnTlv> = Vec::new();
    for (key, value) in fields.take(key)?.entries()? {
        match one(key) {
            Ok(tag) if all.iter().any(|own| own.tag == tag) => value.problem("is there twice"),
            Ok(tag) => all.extend(read_value(&value).map(|value| OwnTlv { tag, value })),
            Err(message) => value.problem(format!("the key {message}")),
        }
    }
    Some(all)
}

/// Text as it stands, or `{ hex: "00ff" }`.
fn read_value(value: &Value<'_>) -> Option<Vec<u8>> {
    let octets = match value.node {
        Node::Map(_) => {
            let octets = |fields: &mut Fields<'_>| fields.required("hex").and_then(|value| value.parse(hex));
            value.fields(octets).flatten()?
        }
        Node::Null | Node::Scalar(_) | Node::List(_) => value.scalar()?.as_bytes().to_vec(),
    };
    if octets.len() > LONGEST_VALUE {
        value.problem(format!("must be at most {LONGEST_VALUE} octets"));
        return None;
    }
    Some(octets)
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
    let octet = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let octets = if odd.is_empty() { pairs.iter().map(octet).collect() } else { None };
    octets.ok_or_else(|| "must be octets as pairs of hex digits".to_owned())
}

fn one(text: &str) -> Result<u16, String> {
    let tags = number_or_name(text).map(|tag| tag..=tag);
    tags.and_then(without_text).map(|tags| *tags.start())
}

/// A tag, or a range of them such as `0x1500..0x15FF`.
fn several(text: &str) -> Result<RangeInclusive<u16>, String> {
    let Some((first, last)) = text.split_once("..") else { return one(text).map(|tag| tag..=tag) };
    let last = last.strip_prefix('=').unwrap_or(last);
    let (first, last) = (number_or_name(first.trim())?, number_or_name(last.trim())?);
    if first > last {
        return Err("must name the smaller tag first".to_owned());
    }
    without_text(first..=last)
}

fn number_or_name(text: &str) -> Result<u16, String> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let is_number = |digits: &str, radix| {
        let is_digit = |digit: char| digit.is_digit(radix);
        if digits.chars().all(is_digit) { u16::from_str_radix(digits, radix).ok() } else { None }
    };
    let number = hex.map_or_else(|| is_number(text, 10), |hex| is_number(hex, 16)).filter(|number| *number != 0);
    let named = || NAMES.iter().find(|(name, _)| *name == text).map(|(_, tag)| *tag);
    let is_payload = text == "message_payload";
    let tag = number.or_else(named).or(is_payload.then_some(tag::MESSAGE_PAYLOAD));
    tag.ok_or_else(|| "must be a TLV's number such as 0x1400, or a name such as user_message_reference".to_owned())
}

fn without_text(tags: RangeInclusive<u16>) -> Result<RangeInclusive<u16>, String> {
    if tags.contains(&tag::MESSAGE_PAYLOAD) {
        return Err("message_payload holds the text of a message, which is not changed".to_owned());
    }
    Ok(tags)
}
