//! Texts as this gateway writes them, read back by others: npm's smpp reads whole submit_sm, PyPI's aiosmpplib the octets behind
//! the headers, packed ones too.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use trunkline::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use trunkline::smpp::compose::Draft;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::text::{Alphabet, DefaultAlphabet, Encoded, Reference, Wanted, encode};
use trunkline::smpp::view::{Address, SmView};

use crate::peers::{self, script, skipped};

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

#[test]
#[ignore = "fetches foreign software: just interop"]
fn npm_smpp_reads_long_texts() {
    let program = match peers::node() {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let each = |(text, parts): (String, [usize; 2])| [0, 1].map(|at| (text.clone(), parts[at], REFERENCES[at]));
    let cases: Vec<_> = texts().into_iter().flat_map(each).collect();
    let mut lines = Vec::new();
    for (text, parts, reference) in &cases {
        let encoded = encoded(text, *reference);
        assert_eq!(encoded.parts.len(), *parts, "{text}");
        let draft = Draft { data_coding: encoded.alphabet.data_coding(None), ..DRAFT };
        for body in draft.bodies(&encoded) {
            let (command, status, sequence) = (CommandId::SUBMIT_SM, CommandStatus::ROK, SequenceNumber(7));
            let mut pdu = Vec::new();
            Frame { command, status, sequence, body: &body }.write(&mut pdu);
            lines.push(hex(&pdu));
        }
    }
    let mut told = told(program, "texts.js", &lines).into_iter();
    for (text, parts, reference) in &cases {
        let mut read = String::new();
        for number in 1..=*parts {
            let part = told.next().unwrap();
            let data_coding = if text.contains('a') || text.contains('€') { 0 } else { 8 };
            let (esm_class, udh) = match reference {
                _ if *parts == 1 => (0, json!([])),
                Reference::Eight(_) => (0x40, json!([format!("0003a5{parts:02x}{number:02x}")])),
                Reference::Sixteen(_) => (0x40, json!([format!("0804a55a{parts:02x}{number:02x}")])),
            };
            let said = (&part["command"], &part["esm_class"], &part["data_coding"], &part["udh"]);
            assert_eq!(said, (&json!("submit_sm"), &json!(esm_class), &json!(data_coding), &udh), "{text}");
            read.push_str(part["text"].as_str().unwrap());
        }
        assert_eq!(read, *text);
    }
    assert!(told.next().is_none());
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
