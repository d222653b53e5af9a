//! Lines of the call detail records as files have them: JSON lines or CSV, one field list for both.

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;

use crate::config::CdrFormat;
use crate::engine::cdr::Line;
use crate::http::times::rfc3339;

/// Who numbers the lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Writer {
    pub node: u16,
    pub shard: u16,
    pub format: CdrFormat,
}

/// The fields in their order. What is not known or does not apply is left out, or empty in CSV.
#[derive(Debug, Serialize)]
struct Fields<'a> {
    node: u16,
    shard: u16,
    sequence: u64,
    time: String,
    event: &'static str,
    account: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    id: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted: Option<String>,
    #[serde(skip_serializing_if = "is_empty")]
    from: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    to: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coding: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<bool>,
    #[serde(skip_serializing_if = "is_empty")]
    carrier: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    carrier_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    state: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u32>,
    #[serde(skip_serializing_if = "is_empty")]
    reason: Cow<'a, str>,
}

/// The first line of a CSV file.
pub const CSV_HEADER: &str = "node,shard,sequence,time,event,account,id,message,via,submitted,from,to,segments,coding,part,parts,\
                              reference,receipt,carrier,carrier_id,state,error,status,reason\n";

impl Writer {
    /// Appends one line.
    pub fn write(self, sequence: u64, line: &Line<'_>, out: &mut Vec<u8>) {
        let fields = self.fields(sequence, line);
        match self.format {
            // Nothing of it can fail to be JSON, nor memory to be written.
            CdrFormat::Jsonl => {
                let _ = serde_json::to_writer(&mut *out, &fields);
            }
            CdrFormat::Csv => write_csv(&fields, out),
        }
        out.push(b'\n');
    }

    /// Whether this is the whole line of that number, without its end.
    #[must_use]
    pub fn is_whole(self, sequence: u64, line: &[u8]) -> bool {
        let Self { node, shard, format } = self;
        let (beginning, end): (_, &[u8]) = match format {
            CdrFormat::Jsonl => (format!("{{\"node\":{node},\"shard\":{shard},\"sequence\":{sequence},"), b"}"),
            CdrFormat::Csv => (format!("{node},{shard},{sequence},"), b""),
        };
        // After a power failure a file may have zeros where nothing was written.
        line.starts_with(beginning.as_bytes()) && line.ends_with(end) && !line.contains(&0)
    }

    fn fields<'a>(self, sequence: u64, line: &Line<'a>) -> Fields<'a> {
        let is_submit = line.segments > 0;
        Fields {
            node: self.node,
            shard: self.shard,
            sequence,
            time: rfc3339(line.time),
            event: line.event.word(),
            account: text(line.account),
            id: text(line.id),
            message: text(line.message),
            via: is_submit.then_some(if line.is_http { "http" } else { "smpp" }),
            submitted: (line.submitted > 0).then(|| rfc3339(line.submitted)),
            from: text(line.from),
            to: text(line.to),
            segments: is_submit.then_some(line.segments),
            coding: is_submit.then_some(line.data_coding),
            part: line.part.map(|part| part.number),
            parts: line.part.map(|part| part.total),
            reference: line.part.map(|part| part.reference),
            receipt: is_submit.then_some(line.asks_receipt),
            carrier: text(line.carrier),
            carrier_id: text(line.carrier_id),
            state: text(line.state),
            error: line.error,
            status: line.status,
            reason: text(line.reason),
        }
    }
}

fn write_csv(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let number = |number: Option<u32>| Cow::Owned(number.map(|number| number.to_string()).unwrap_or_default());
    let texts: [Cow<'_, str>; 24] = [
        number(Some(fields.node.into())),
        number(Some(fields.shard.into())),
        Cow::Owned(fields.sequence.to_string()),
        Cow::Borrowed(&fields.time),
        Cow::Borrowed(fields.event),
        Cow::Borrowed(&fields.account),
        Cow::Borrowed(&fields.id),
        Cow::Borrowed(&fields.message),
        Cow::Borrowed(fields.via.unwrap_or_default()),
        Cow::Borrowed(fields.submitted.as_deref().unwrap_or_default()),
        Cow::Borrowed(&fields.from),
        Cow::Borrowed(&fields.to),
        number(fields.segments.map(u32::from)),
        number(fields.coding.map(u32::from)),
        number(fields.part.map(u32::from)),
        number(fields.parts.map(u32::from)),
        number(fields.reference.map(u32::from)),
        Cow::Borrowed(fields.receipt.map_or("", |receipt| if receipt { "true" } else { "false" })),
        Cow::Borrowed(&fields.carrier),
        Cow::Borrowed(&fields.carrier_id),
        Cow::Borrowed(&fields.state),
        number(fields.error),
        number(fields.status),
        Cow::Borrowed(&fields.reason),
    ];
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_field(text, out);
    }
}

/// As RFC 4180 has it, but that no control character is written: a line of the file is a line of the record.
fn write_field(text: &str, out: &mut Vec<u8>) {
    let is_quoted = text.contains(['"', ',']) || text.contains(char::is_control);
    if !is_quoted {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for c in text.chars() {
        let _ = match c {
            '"' => out.write_all(b"\"\""),
            c if c.is_control() => write!(out, "\\u{:04x}", c as u32),
            c => write!(out, "{c}"),
        };
    }
    out.push(b'"');
}

/// Peers write addresses and ids in whatever charset they like: what is no UTF-8 is read as Latin-1, which loses nothing.
fn text(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(octets.iter().copied().map(char::from).collect()),
    }
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cdr::{Event, PartOf};

    const JSON: Writer = Writer { node: 3, shard: 1, format: CdrFormat::Jsonl };
    const CSV: Writer = Writer { format: CdrFormat::Csv, ..JSON };

    fn written(writer: Writer, line: &Line<'_>) -> String {
        let mut out = Vec::new();
        writer.write(7, line, &mut out);
        String::from_utf8(out).unwrap()
    }

    const ACCEPTED: Line<'_> = Line {
        event: Event::Accepted,
        time: 1_800_000_000,
        submitted: 1_799_999_999,
        is_http: false,
        asks_receipt: true,
        segments: 2,
        data_coding: 8,
        part: Some(PartOf { reference: 515, number: 1, total: 2 }),
        error: None,
        status: None,
        account: b"acme",
        id: b"00ff",
        message: b"00aa",
        from: b"Caf\xe9, \"x\"\n",
        to: b"49170",
        carrier: b"north",
        carrier_id: b"4711",
        state: b"",
        reason: b"",
    };
    const REFUSED: Line<'_> =
        Line { event: Event::Refused, segments: 0, part: None, status: Some(88), reason: b"throttled", ..ACCEPTED };

    #[test]
    fn a_line_of_json_has_what_is_known() {
        assert_eq!(
            written(JSON, &ACCEPTED),
            r#"{"node":3,"shard":1,"sequence":7,"time":"2027-01-15T08:00:00Z","event":"accepted","account":"acme","id":"00ff","message":"00aa","via":"smpp","submitted":"2027-01-15T07:59:59Z","from":"Café, \"x\"\n","to":"49170","segments":2,"coding":8,"part":1,"parts":2,"reference":515,"receipt":true,"carrier":"north","carrier_id":"4711"}"#
                .to_owned()
                + "\n"
        );
        let bare =
            Line { event: Event::Final, time: 0, account: b"a", state: b"DELIVRD", error: Some(0), ..Line::default() };
        let text = r#"{"node":3,"shard":1,"sequence":7,"time":"1970-01-01T00:00:00Z","event":"final","account":"a","state":"DELIVRD","error":0}"#;
        assert_eq!(written(JSON, &bare), format!("{text}\n"));
    }

    #[test]
    fn a_line_of_csv_has_every_field_and_no_line_break_within() {
        let text = "3,1,7,2027-01-15T08:00:00Z,accepted,acme,00ff,00aa,smpp,2027-01-15T07:59:59Z,\"Café, \"\"x\"\"\\u000a\",49170,2,8,1,2,515,true,north,4711,,,,\n";
        assert_eq!(written(CSV, &ACCEPTED), text);
        let commas = |text: &str| text.matches(',').count();
        assert_eq!(commas(&written(CSV, &Line { from: b"", ..REFUSED })), commas(CSV_HEADER));
    }

    #[test]
    fn the_documentation_has_every_field_in_its_order() {
        let page = include_str!("../../docs/cdr.md");
        let table = page.split("| field | |").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        let documented: Vec<&str> =
            table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(documented, CSV_HEADER.trim_end().split(',').collect::<Vec<_>>());
    }

    #[test]
    fn a_line_is_told_from_another_and_from_half_of_one() {
        for writer in [JSON, CSV] {
            let text = written(writer, &REFUSED);
            let line = text.trim_end_matches('\n').as_bytes();
            assert!(writer.is_whole(7, line) && !writer.is_whole(8, line));
            assert!(!Writer { shard: 11, ..writer }.is_whole(7, line));
            assert!(!writer.is_whole(7, &[&line[..40], &[0; 40]].concat()));
        }
    }
}
