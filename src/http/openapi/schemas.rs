//! What requests and answers are made of.

use serde_json::{Value, json};

use super::{object, reference, types};
use crate::engine::web::Messages;
use crate::http::fields::{
    CONCATENATIONS, ENCODINGS, Field, LEAST_DIGITS, MOST_CLASS, MOST_DAYS, MOST_DIGITS, MOST_LETTERS, MOST_MESSAGES,
    MOST_OCTETS, MOST_PRIORITY, MOST_REFERENCE, MOST_TEXT, MOST_UDH, MOST_URL,
};
use crate::http::problem::Kind;
use crate::http::status::STATES;
use crate::http::submit::encoding;
use crate::smpp::text::Alphabet;

pub(super) fn all() -> Value {
    object([
        ("Request", json!({ "oneOf": [reference("Message"), reference("Messages")] })),
        ("Message", message()),
        ("Messages", messages()),
        ("Submitted", submitted()),
        ("DryRun", dry_run()),
        ("Results", results()),
        ("Status", status()),
        ("Found", found()),
        ("State", json!({ "type": "string", "enum": STATES.map(|(_, word)| word) })),
        ("Problem", problem()),
    ])
}

/// Without U+0000.
const NO_NUL: &str = "^[^\\u0000]*$";

fn message() -> Value {
    let properties = Field::ALL.iter().map(|field| {
        let mut schema = of_field(*field);
        schema["description"] = description(*field).into();
        (field.name(), schema)
    });
    let content = [
        only(Field::Text, [Field::Hex, Field::Base64, Field::Udh]),
        only(Field::Hex, [Field::Text, Field::Base64, Field::Encoding]),
        only(Field::Base64, [Field::Text, Field::Hex, Field::Encoding]),
    ];
    json!({
        "type": "object",
        "description": "Exactly one of `text`, `hex` and `base64` is what it says.",
        "properties": object(properties),
        "required": [Field::To.name()],
        "oneOf": content,
        "additionalProperties": false,
    })
}

/// With this field, and without those.
fn only(field: Field, others: [Field; 3]) -> Value {
    json!({ "required": [field.name()], "properties": object(others.map(|other| (other.name(), false.into()))) })
}

/// The values a field may have.
fn of_field(field: Field) -> Value {
    let whole = |most: u64| json!({ "type": "integer", "minimum": 0, "maximum": most });
    let words = |words: &[&str], default: &str| json!({ "type": "string", "enum": words, "default": default });
    let text = |least: usize, most: usize, pattern: &str| json!({ "type": "string", "minLength": least, "maxLength": most, "pattern": pattern });
    match field {
        Field::To => {
            // What begins with 00 is international, and nothing else.
            let digits = |least: usize, most: usize| format!("[0-9]{{{least},{most}}}");
            let (all, national) = (digits(LEAST_DIGITS, MOST_DIGITS), digits(LEAST_DIGITS - 2, MOST_DIGITS - 2));
            let pattern = format!("^(\\+{all}|00{all}|(0[1-9]|[1-9][0-9]){national})$");
            text(LEAST_DIGITS, MOST_DIGITS + 2, &pattern)
        }
        Field::From => {
            let pattern = format!("^((\\+|00)?[0-9]{{1,{MOST_DIGITS}}}|[ -~]{{1,{MOST_LETTERS}}})$");
            text(1, MOST_DIGITS + 2, &pattern)
        }
        Field::Text => text(1, MOST_TEXT, NO_NUL),
        Field::Hex => text(2, 2 * MOST_OCTETS, "^([0-9A-Fa-f]{2})+$"),
        Field::Base64 => {
            let mut schema =
                text(4, MOST_OCTETS.div_ceil(3) * 4, "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$");
            schema["contentEncoding"] = "base64".into();
            schema
        }
        Field::Udh => text(2, 2 * MOST_UDH, "^([0-9A-Fa-f]{2})+$"),
        Field::Encoding => words(&ENCODINGS, ENCODINGS[0]),
        Field::Concatenation => words(&CONCATENATIONS, CONCATENATIONS[0]),
        Field::Class => whole(MOST_CLASS),
        Field::Priority => whole(MOST_PRIORITY),
        Field::Receipt | Field::DryRun => json!({ "type": "boolean", "default": false }),
        Field::Callback => {
            json!({ "type": "string", "format": "uri", "pattern": "^https?://[^@]+$", "maxLength": MOST_URL })
        }
        Field::Reference => text(1, MOST_REFERENCE, NO_NUL),
        Field::Validity => json!({ "oneOf": [
            { "type": "integer", "minimum": 1, "maximum": MOST_DAYS * 86_400 },
            { "type": "string", "pattern": "^[0-9]{1,7}[smhd]$" },
        ] }),
        Field::Schedule => json!({ "type": "string", "format": "date-time" }),
    }
}

fn description(field: Field) -> String {
    let purpose = match field {
        Field::To => "Whom it goes to",
        Field::From => "Whom it is from; may be left out where the account has a sender of its own",
        Field::Text => "What it says",
        Field::Hex | Field::Base64 => "What it carries, as it is (8-bit data)",
        Field::Udh => "Stands in front of what `hex` or `base64` carries",
        Field::Encoding => {
            "How `text` is sent: `auto` is the GSM 7-bit alphabet where that has all of it, and UCS-2 where not"
        }
        Field::Concatenation => "What the segments of a long message are marked with: a reference of 8 or of 16 bits",
        Field::Class => "The message class: 0 is shown at once and not kept",
        Field::Receipt => "Whether the carrier is asked for a receipt, which the account's callback is told of",
        Field::Callback => {
            "Where its receipt is told instead of at the account's callback; the account must have leave for it. It \
                            asks for a receipt"
        }
        Field::Reference => {
            "The customer's own name for it, given back with everything that is told of it, and what it is found by"
        }
        Field::Validity => "How long a carrier should try",
        Field::Priority => "How urgent it is",
        Field::Schedule => "When the carrier is to deliver it",
        Field::DryRun => "Nothing is sent: the answer says how many segments it would be, and in which encoding",
    };
    format!("{purpose}: {}.", field.expected())
}

fn messages() -> Value {
    json!({
        "type": "object",
        "properties": { "messages": { "type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": reference("Message") } },
        "required": ["messages"],
        "additionalProperties": false,
    })
}

fn id() -> Value {
    json!({ "type": "string", "description": "The message's, as receipts and statuses name it: 16 hex digits, or decimal." })
}

fn segments() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 255 })
}

/// What a customer called a message.
fn given_reference() -> Value {
    json!({ "type": "string", "description": "As it was given." })
}

pub(super) fn reference_parameter() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": MOST_REFERENCE })
}

fn submitted() -> Value {
    json!({
        "type": "object",
        "properties": { "id": id(), "segments": segments(), "reference": given_reference() },
        "required": ["id", "segments"],
        "additionalProperties": false,
    })
}

fn dry_run() -> Value {
    let encodings = [Alphabet::Gsm, Alphabet::Ucs2, Alphabet::Binary].map(encoding);
    json!({
        "type": "object",
        "properties": {
            "segments": segments(),
            "encoding": { "type": "string", "enum": encodings },
            "dry_run": { "const": true },
        },
        "required": ["segments", "encoding", "dry_run"],
        "additionalProperties": false,
    })
}

fn results() -> Value {
    let error = json!({
        "type": "object",
        "properties": { "error": reference("Problem") },
        "required": ["error"],
        "additionalProperties": false,
    });
    let result = json!({ "oneOf": [reference("Submitted"), reference("DryRun"), error] });
    json!({
        "type": "object",
        "properties": { "results": { "type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": result } },
        "required": ["results"],
        "additionalProperties": false,
    })
}

fn status() -> Value {
    let time = json!({ "type": "string", "format": "date-time" });
    let segment = json!({
        "type": "object",
        "properties": {
            "state": reference("State"),
            "error": { "type": "integer", "description": "The network's error, or the command_status it was refused with." },
            "accepted": time,
            "finished": time,
        },
        "required": ["state"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "id": id(),
            "state": reference("State"),
            "reference": given_reference(),
            "to": { "type": "string" },
            "from": { "type": "string" },
            "submitted": time,
            "finished": time,
            "segments": { "type": "array", "minItems": 1, "maxItems": 255, "items": segment },
        },
        "required": ["id", "state", "to", "segments"],
        "additionalProperties": false,
    })
}

fn found() -> Value {
    json!({
        "type": "object",
        "properties": { "messages": { "type": "array", "maxItems": Messages::MOST_FOUND, "items": reference("Status") } },
        "required": ["messages"],
        "additionalProperties": false,
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": {
            "type": { "type": "string", "enum": types(Kind::ALL) },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "field": { "type": "string", "description": "Which field, parameter or header; of several messages `messages[3].to`." },
            "id": id(),
            "reference": given_reference(),
            "command_status": { "type": "integer", "description": "What the carrier refused it with." },
            "retry_after": { "type": "integer", "minimum": 1, "description": "Seconds to wait, as `Retry-After` says them." },
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": false,
    })
}
