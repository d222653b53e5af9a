//! Kannel's sendsms, which `docs/kannel.md` tells of.

use serde_json::{Value, json};

use super::{answers, object};
use crate::http::fields::{MOST_CLASS, MOST_PRIORITY};

/// What a parameter may be.
pub(super) enum Of {
    Text,
    Number,
    /// A whole number up to this.
    Whole(u64),
}

pub(super) const PARAMETERS: &[(&str, Of, &str)] = &[
    ("username", Of::Text, "The account."),
    ("password", Of::Text, "Its password."),
    ("from", Of::Text, "The sender."),
    ("to", Of::Text, "The receivers, with a blank between them."),
    ("text", Of::Text, "The text."),
    ("charset", Of::Text, "Of `text`: UTF-8 unless given."),
    ("coding", Of::Whole(2), "0 is GSM 7-bit, 1 octets, 2 UCS-2."),
    ("udh", Of::Text, "A user data header, its length in front."),
    ("mclass", Of::Whole(MOST_CLASS), "The message class."),
    ("mwi", Of::Whole(7), "Message waiting."),
    ("alt-dcs", Of::Whole(1), "The other form of data_coding."),
    ("compress", Of::Whole(1), "Says that the text is compressed."),
    ("pid", Of::Whole(255), "protocol_id."),
    ("priority", Of::Whole(MOST_PRIORITY), "priority_flag."),
    ("rpi", Of::Whole(2), "The reply path."),
    ("validity", Of::Number, "Minutes from now."),
    ("deferred", Of::Number, "Minutes from now."),
    ("binfo", Of::Text, "service_type."),
    ("dlr-mask", Of::Number, "Which reports are wanted: 1 delivered, 2 failed, 4 kept, 8 accepted, 16 refused."),
    ("dlr-url", Of::Text, "What is called for each report, its escapes filled in."),
];

pub(super) fn path() -> Value {
    let properties = PARAMETERS.iter().map(|(name, of, description)| (*name, described(of, description)));
    let form = json!({ "type": "object", "properties": object(properties), "required": ["to"] });
    json!({
        "get": {
            "operationId": "sendsms",
            "summary": "Sends a message as Kannel's smsbox does; docs/kannel.md tells the details.",
            "security": [],
            "parameters": PARAMETERS.iter().map(parameter).collect::<Value>(),
            "responses": responses(),
        },
        "post": {
            "operationId": "sendsmsByPost",
            "summary": "The same as a form; smsbox's own kind of POST, with the parameters as headers, is taken too.",
            "security": [],
            "requestBody": { "required": true, "content": { "application/x-www-form-urlencoded": { "schema": form } } },
            "responses": responses(),
        },
    })
}

fn parameter((name, of, description): &(&str, Of, &str)) -> Value {
    let schema = of.schema();
    json!({ "name": name, "in": "query", "required": *name == "to", "description": description, "schema": schema })
}

fn described(of: &Of, description: &str) -> Value {
    let mut schema = of.schema();
    schema["description"] = description.into();
    schema
}

impl Of {
    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Number => json!({ "type": "integer", "minimum": 0 }),
            Self::Whole(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        }
    }
}

fn responses() -> Value {
    let words = || json!({ "schema": { "type": "string" } });
    let mut all = answers::before_sendsms();
    for (status, description) in [
        ("202", "Accepted for delivery."),
        ("400", "A parameter is wrong."),
        ("403", "Not allowed, or refused by the carrier: not to be tried again."),
        ("415", "The body is of a type that is not read."),
        ("503", "For the moment, or in doubt."),
    ] {
        all[status]["description"] = description.into();
        all[status]["content"]["text/html"] = words();
        // smsbox has none.
        if let Some(answer) = all[status].as_object_mut() {
            answer.remove("headers");
        }
    }
    all
}
