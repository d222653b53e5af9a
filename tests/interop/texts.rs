//! Texts as this gateway writes them, read back by others: npm's smpp reads whole submit_sm, PyPI's aiosmpplib the octets behind
//! the headers, packed ones too.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::compose::Draft;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::segment::segment_ref;
use trunkline::smpp::text::{Alphabet, DefaultAlphabet, Encoded, Reference, Wanted, encode};
use trunkline::smpp::view::{Address, SmView};

use crate::carrier::Carrier;
use crate::gateway::{Gateway, free_address};
use crate::peer::{ROK, plain};
use crate::peers::{self, script, skipped};
use crate::web::Web;

const DRAFT: Draft<'_> =
    Draft::new(Address { ton: 5, npi: 0, digits: b"ACME" }, Address { ton: 1, npi: 1, digits: b"4915100000001" });

/// Of the lengths where a message becomes two, or two three, with characters of two septets, surrogate pairs and emoji of several
/// at the seams; and how many parts each has, with a reference of 8 bits and of 16.
fn texts() -> Vec<(String, [usize; 2])> {
    let (a, zhe) = (|times| "a".repeat(times), |times| "ж".repeat(times));
    vec![
        (String::from("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[~]|€"), [1; 2]),
        (a(160), [1; 2]),
        (a(158) + "€", [1; 2]),
        (a(159) + "€", [2; 2]),
        (a(161), [2; 2]),
        (a(151) + "€" + &a(9), [2; 2]),
        (a(152) + "€" + &a(8), [2; 2]),
        (a(306), [2, 3]),
        (a(152) + "€" + &a(153), [3; 2]),
        (a(307), [3; 2]),
        (a(152) + "{" + &a(150) + "}" + &a(3), [3; 2]),
        ("€".repeat(153), [3; 2]),
        (zhe(70), [1; 2]),
        (zhe(68) + "😀", [1; 2]),
        (zhe(71), [2; 2]),
        (zhe(66) + "😀" + &zhe(3), [2; 2]),
        (zhe(134), [2, 3]),
        (zhe(66) + "😀" + &zhe(66), [3; 2]),
        (zhe(135), [3; 2]),
        (zhe(60) + "👩\u{200D}👩\u{200D}👧\u{200D}👦" + &zhe(64), [3; 2]),
        ("👍🏽".repeat(33), [3; 2]),
    ]
}

const REFERENCES: [Reference; 2] = [Reference::Eight(0xA5), Reference::Sixteen(0xA55A)];

fn encoded(text: &str, reference: Reference) -> Encoded {
    encode(text, Wanted::Auto, reference).unwrap()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What a script makes of these lines.
fn told(mut program: Command, name: &str, lines: &[String]) -> Vec<Value> {
    let mut child =
        program.arg(script(name)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told.len(), lines.len());
    told
}

/// A text, the reference of its parts, and their submits' bodies.
type Message<'a> = (&'a str, Reference, Vec<Box<[u8]>>);

/// npm's smpp reads each of these as what it is.
fn npm_reads(program: Command, messages: &[Message<'_>]) {
    let bodies = messages.iter().flat_map(|(_, _, bodies)| bodies);
    let pdu = |body: &[u8]| {
        let (command, status, sequence) = (CommandId::SUBMIT_SM, CommandStatus::ROK, SequenceNumber(7));
        let mut pdu = Vec::new();
        Frame { command, status, sequence, body }.write(&mut pdu);
        hex(&pdu)
    };
    let mut told = told(program, "texts.js", &bodies.map(|body| pdu(body)).collect::<Vec<_>>()).into_iter();
    for (text, reference, bodies) in messages {
        let parts = told.by_ref().take(bodies.len()).collect::<Vec<_>>();
        let data_coding = if text.contains('a') || text.contains('€') { 0 } else { 8 };
        let total = parts.len();
        for (part, number) in parts.iter().zip(1..) {
            let (esm_class, udh) = match reference {
                _ if total == 1 => (0, json!([])),
                Reference::Eight(octet) => (0x40, json!([format!("0003{octet:02x}{total:02x}{number:02x}")])),
                Reference::Sixteen(both) => (0x40, json!([format!("0804{both:04x}{total:02x}{number:02x}")])),
            };
            let said = (&part["command"], &part["esm_class"], &part["data_coding"], &part["udh"]);
            assert_eq!(said, (&json!("submit_sm"), &json!(esm_class), &json!(data_coding), &udh), "{text}");
        }
        assert_eq!(parts.iter().map(|part| part["text"].as_str().unwrap()).collect::<String>(), **text);
    }
    assert!(told.next().is_none());
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn npm_smpp_reads_long_texts() {
    let program = match peers::node() {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let texts = texts();
    let each = |(text, parts): &'_ (String, [usize; 2]), at: usize| {
        let encoded = encoded(text, REFERENCES[at]);
        assert_eq!(encoded.parts.len(), parts[at], "{text}");
        Draft { data_coding: encoded.alphabet.data_coding(None), ..DRAFT }.bodies(&encoded)
    };
    let messages = texts.iter().flat_map(|case| [0, 1].map(|at| (&*case.0, REFERENCES[at], each(case, at))));
    npm_reads(program, &messages.collect::<Vec<_>>());
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn npm_smpp_reads_what_is_posted_to_the_http_api() {
    let program = match peers::node() {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let (carrier, http) = (Carrier::listen().run(), free_address());
    let gateway = Gateway::start(&format!(
        r#"
http: {{ listen: "{http}" }}
accounts: {{ acme: {{ password: secret, shard: 1 }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }} }}
routes: [{{ to: north }}]
"#,
        carrier.address
    ));
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transmitter, "acme", "secret").status, ROK);
    acme.submit_when_up(&plain("up"));
    let (web, texts) = (Web::basic(http, "acme", "secret"), texts());
    let mut messages = Vec::new();
    for (text, parts) in &texts {
        for (concatenation, parts) in ["8bit", "16bit"].into_iter().zip(parts) {
            let before = carrier.submits().len();
            let message =
                json!({ "to": "4915100000001", "from": "ACME", "text": text, "concatenation": concatenation });
            let answer = web.post(&message.to_string());
            assert_eq!((answer.status, &answer.json()["segments"]), (200, &json!(parts)), "{}", answer.body);
            let bodies: Vec<_> = carrier.submits().split_off(before).into_iter().map(Vec::into_boxed_slice).collect();
            let part = segment_ref(&SmView::submit(&bodies[0]).unwrap());
            let reference = match part {
                Some(part) if concatenation == "16bit" => Reference::Sixteen(part.reference),
                Some(part) => Reference::Eight(part.reference as u8),
                None => REFERENCES[0],
            };
            messages.push((&**text, reference, bodies));
        }
    }
    npm_reads(program, &messages);
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn aiosmpplib_reads_each_part_by_itself_and_packed_septets() {
    let program = match peers::python_async() {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for (text, _) in texts() {
        for reference in REFERENCES {
            let encoded = encoded(&text, reference);
            let header = |part: &[u8]| if encoded.has_header { usize::from(part[0]) + 1 } else { 0 };
            let codec = if encoded.alphabet == Alphabet::Gsm { "gsm" } else { "ucs2" };
            let parts = encoded.parts.iter().map(|part| format!("{codec} {}", hex(&part[header(part)..])));
            expected.push((lines.len()..lines.len() + encoded.parts.len(), text.clone()));
            lines.extend(parts);
            if encoded.alphabet != Alphabet::Gsm {
                continue;
            }
            let first = lines.len();
            for body in DRAFT.bodies(&encoded) {
                let packed = DefaultAlphabet::Packed.converted(&SmView::submit(&body).unwrap()).unwrap();
                assert!(packed.len() <= 140);
                lines.push(format!("packed {}", hex(&packed)));
            }
            expected.push((first..lines.len(), text.clone()));
        }
    }
    let told = told(program, "texts.py", &lines);
    for (parts, text) in expected {
        let is_packed = lines[parts.start].starts_with("packed");
        // Septets that the header and its fill bits take: seven of 48 bits, eight of 56.
        let header = match (parts.len(), is_packed) {
            (1, _) | (_, false) => 0,
            (_, true) if lines[parts.start].starts_with("packed 06") => 8,
            (_, true) => 7,
        };
        let read = told[parts].iter().map(|part| part.as_str().unwrap().chars().skip(header).collect::<String>());
        // Where seven bits are left, the carriage return that stands there.
        let read: String = read.map(|part| part.strip_suffix('\r').map_or(part.clone(), str::to_owned)).collect();
        assert_eq!(read, text);
    }
}
