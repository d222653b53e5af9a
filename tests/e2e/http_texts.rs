//! Texts posted to the HTTP API as they reach a carrier, octet by octet: the table of long messages, and what else a request may
//! say of its text. The octets are written out from 3GPP TS 23.038 and TS 23.040.

use serde_json::{Value, json};
use trunkline::smpp::view::SmView;

use crate::gateway::free_address;
use crate::web::Web;
use crate::world::World;

fn world() -> (World, Web) {
    let http = free_address();
    let world = World::with("", &format!("http: {{ listen: \"{http}\" }}"));
    (world, Web::basic(http, "acme", "secret"))
}

/// What the carrier was sent of one message.
struct Part {
    esm_class: u8,
    data_coding: u8,
    octets: Vec<u8>,
}

/// Posts a message with these fields; its parts as they reached the carrier.
fn posted(world: &World, web: &Web, fields: &Value) -> Vec<Part> {
    let mut message = json!({ "to": "4915100000001", "from": "ACME" });
    let fields = fields.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(fields);
    let before = world.carrier.submits().len();
    let answer = web.post(&message.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let bodies = world.carrier.submits().split_off(before);
    assert_eq!(answer.json()["segments"], bodies.len());
    let part = |body: &Vec<u8>| {
        let view = SmView::submit(body).unwrap();
        assert_eq!(view.optional, b"");
        Part { esm_class: view.esm_class, data_coding: view.data_coding, octets: view.short_message.to_vec() }
    };
    bodies.iter().map(part).collect()
}

/// So many of each, one behind another.
fn octets(run: &[(usize, &[u8])]) -> Vec<u8> {
    run.iter().flat_map(|(times, octets)| octets.repeat(*times)).collect()
}

const A: &[u8] = &[0x61];
const EURO: &[u8] = &[0x1B, 0x65];
const ZHE: &[u8] = &[0x04, 0x36];
const GRIN: &[u8] = &[0xD8, 0x3D, 0xDE, 0x00];

#[test]
fn long_texts_reach_a_carrier_as_the_specification_says() {
    let (mut world, web) = world();
    let (a, zhe) = (|times| "a".repeat(times), |times| "ж".repeat(times));
    let gsm = [
        (a(160), vec![octets(&[(160, A)])]),
        (a(158) + "€", vec![octets(&[(158, A), (1, EURO)])]),
        (a(161), vec![octets(&[(153, A)]), octets(&[(8, A)])]),
        (a(151) + "€" + &a(9), vec![octets(&[(151, A), (1, EURO)]), octets(&[(9, A)])]),
        (a(152) + "€" + &a(8), vec![octets(&[(152, A)]), octets(&[(1, EURO), (8, A)])]),
        (a(306), vec![octets(&[(153, A)]), octets(&[(153, A)])]),
        (a(305) + "€", vec![octets(&[(153, A)]), octets(&[(152, A)]), octets(&[(1, EURO)])]),
        (a(307), vec![octets(&[(153, A)]), octets(&[(153, A)]), octets(&[(1, A)])]),
    ];
    let ucs2 = [
        (zhe(70), vec![octets(&[(70, ZHE)])]),
        (zhe(68) + "😀", vec![octets(&[(68, ZHE), (1, GRIN)])]),
        (zhe(71), vec![octets(&[(67, ZHE)]), octets(&[(4, ZHE)])]),
        (zhe(66) + "😀" + &zhe(3), vec![octets(&[(66, ZHE)]), octets(&[(1, GRIN), (3, ZHE)])]),
        (zhe(134), vec![octets(&[(67, ZHE)]), octets(&[(67, ZHE)])]),
        (zhe(66) + "😀" + &zhe(66), vec![octets(&[(66, ZHE)]), octets(&[(1, GRIN), (65, ZHE)]), octets(&[(1, ZHE)])]),
        (zhe(135), vec![octets(&[(67, ZHE)]), octets(&[(67, ZHE)]), octets(&[(1, ZHE)])]),
    ];
    let cases = gsm.into_iter().map(|case| (0x00, case)).chain(ucs2.into_iter().map(|case| (0x08, case)));
    let mut references = Vec::new();
    for (data_coding, (text, expected)) in cases {
        let parts = posted(&world, &web, &json!({ "text": text }));
        let total = expected.len() as u8;
        let reference = parts[0].octets[3];
        references.extend((total > 1).then_some(reference));
        let with_header = expected.into_iter().zip(1..).map(|(octets, number)| match total {
            1 => octets,
            _ => [&[0x05, 0x00, 0x03, reference, total, number], &octets[..]].concat(),
        });
        let came: Vec<_> = parts.iter().map(|part| part.octets.clone()).collect();
        assert_eq!(came, with_header.collect::<Vec<_>>(), "{text}");
        let esm_class = if total > 1 { 0x40 } else { 0 };
        assert!(parts.iter().all(|part| (part.esm_class, part.data_coding) == (esm_class, data_coding)), "{text}");
    }
    let given = references.len();
    references.sort();
    references.dedup();
    assert_eq!((references.len(), given), (11, 11), "each long message has a reference of its own");
    world.is_well();
}

#[test]
fn a_request_says_how_its_text_is_sent() {
    let (mut world, web) = world();
    let one = |fields: Value| {
        let parts = posted(&world, &web, &fields);
        assert_eq!(parts.len(), 1, "{fields}");
        (parts[0].esm_class, parts[0].data_coding, parts[0].octets.clone())
    };
    assert_eq!(one(json!({ "text": "[é]", "class": 0 })), (0, 0x10, b"\x1B\x3C\x05\x1B\x3E".to_vec()));
    assert_eq!(one(json!({ "text": "ж", "class": 1 })), (0, 0x19, ZHE.to_vec()));
    assert_eq!(one(json!({ "text": "a", "encoding": "ucs2" })), (0, 0x08, b"\0a".to_vec()));
    assert_eq!(
        one(json!({ "hex": "00ff", "udh": "0605040b8423f0" })),
        (0x40, 0x04, b"\x06\x05\x04\x0B\x84\x23\xF0\0\xFF".to_vec())
    );
    assert_eq!(one(json!({ "base64": "AP8=", "class": 2 })), (0, 0xF6, b"\0\xFF".to_vec()));

    let parts = posted(&world, &web, &json!({ "text": "a".repeat(152) + "€", "encoding": "gsm" }));
    assert_eq!(parts.len(), 1, "154 septets");
    let parts =
        posted(&world, &web, &json!({ "text": "a".repeat(151) + "€" + &"a".repeat(9), "concatenation": "16bit" }));
    let [high, low] = [parts[0].octets[3], parts[0].octets[4]];
    let first = [&[0x06, 0x08, 0x04, high, low, 2, 1], &octets(&[(151, A)])[..]].concat();
    let second = [&[0x06, 0x08, 0x04, high, low, 2, 2], &octets(&[(1, EURO), (9, A)])[..]].concat();
    assert_eq!(parts.iter().map(|part| part.octets.clone()).collect::<Vec<_>>(), [first, second]);

    let forced = web.post(r#"{"to": "4915100000001", "from": "ACME", "text": "Grüße, Ж", "encoding": "gsm"}"#);
    assert_eq!((forced.status, &forced.json()["field"]), (400, &json!("text")));
    assert!(forced.body.contains("U+0416"), "{}", forced.body);
    world.is_well();
}
