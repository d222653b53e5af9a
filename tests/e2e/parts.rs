//! Long messages: all parts of one leave on one connection to one carrier, and references are a carrier's own when it is set so.

use std::collections::{BTreeMap, BTreeSet};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::segment::{self, Mark};
use trunkline::smpp::view::{SmView, esm_class, tag};

use crate::carrier::{AutoCarrier, Carrier};
use crate::gateway::Gateway;
use crate::peer::{Peer, ROK, body, plain};

const CUSTOMERS: usize = 50;
const MESSAGES: usize = 20;
const MARKS: [Mark; 3] = [Mark::Udh8, Mark::Udh16, Mark::Sar];
const ORDERS: [[u8; 3]; 4] = [[1, 2, 3], [3, 1, 2], [2, 1, 3], [3, 2, 1]];

/// A part of three of a message, whose text says whose it is.
fn part(sender: &str, text: &str, mark: Mark, reference: u16, number: u8) -> Vec<u8> {
    let [high, low] = reference.to_be_bytes();
    let header = match mark {
        Mark::Udh8 => vec![5, 0, 3, low, 3, number],
        Mark::Udh16 => vec![6, 8, 4, high, low, 3, number],
        Mark::Sar => vec![],
    };
    let (total, number) = ([3], [number]);
    let tlvs = [
        (tag::SAR_MSG_REF_NUM, &[high, low][..]),
        (tag::SAR_TOTAL_SEGMENTS, &total[..]),
        (tag::SAR_SEGMENT_SEQNUM, &number[..]),
    ];
    let octets = [&header, text.as_bytes()].concat();
    body(sender, "4915100000001", &octets, |message| {
        if mark == Mark::Sar {
            message.tlvs = &tlvs;
        } else {
            message.esm_class = esm_class::UDHI;
        }
    })
}

fn gateway(customers: usize, carriers: &[AutoCarrier], carrier: &str) -> Gateway {
    let mut yaml = "accounts:\n".to_owned();
    for at in 0..customers {
        yaml.push_str(&format!("  customer{at}: {{ password: secret }}\n"));
    }
    yaml.push_str("carriers:\n");
    let mut targets = Vec::new();
    for (at, auto) in carriers.iter().enumerate() {
        let connect = format!("connect: \"{}\", system_id: us, password: secret", auto.address);
        yaml.push_str(&format!("  c{at}: {{ {connect}, {carrier} }}\n"));
        targets.push(format!("{{ carrier: c{at}, weight: {} }}", 60 - 20 * at));
    }
    yaml.push_str(&format!("routes: [{{ to: [{}] }}]\n", targets.join(", ")));
    Gateway::start(&yaml)
}

/// Binds a session that sees every link up.
fn bound(gateway: &Gateway, customer: usize) -> Peer {
    let mut peer = gateway.connect();
    assert_eq!(peer.bind(BindMode::Transmitter, &format!("customer{customer}"), "secret").status, ROK);
    peer
}

/// Everything a customer sends, over two sessions and out of order, and then all the answers.
fn send_all(mut sessions: [Peer; 2], customer: usize) {
    let mut sent = [0, 0];
    for message in 0..MESSAGES {
        let mark = MARKS[(customer + message) % 3];
        for (at, number) in ORDERS[message % 4].into_iter().enumerate() {
            let session = (message + at) % 2;
            let text = format!("a{customer}m{message}.");
            // Every customer counts its references alike, to the same handset.
            let part = part("1000", &text, mark, message as u16, number);
            sessions[session].request(CommandId::SUBMIT_SM, &part);
            sessions[session].request(CommandId::SUBMIT_SM, &plain("single"));
            sent[session] += 2;
        }
    }
    for (session, count) in sessions.iter_mut().zip(sent) {
        for _ in 0..count {
            let answer = session.expect(CommandId::SUBMIT_SM_RESP);
            assert_eq!(answer.status, ROK, "customer {customer}: {answer:x?}");
        }
    }
}

/// The parts a carrier saw, by the text that names their message.
fn by_message(submits: &[(usize, Vec<u8>)]) -> BTreeMap<String, Vec<(usize, segment::SegmentRef)>> {
    let mut messages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (link, body) in submits {
        let view = SmView::submit(body).unwrap();
        let Some(part) = segment::segment_ref(&view) else { continue };
        let header = if view.has_udh() { usize::from(view.text()[0]) + 1 } else { 0 };
        let text = String::from_utf8(view.text()[header..].to_vec()).unwrap();
        messages.entry(text).or_default().push((*link, part));
    }
    messages
}

#[test]
fn all_parts_of_one_message_arrive_on_one_connection() {
    let carriers: Vec<_> = (0..2).map(|_| Carrier::listen().run()).collect();
    let gateway = gateway(CUSTOMERS, &carriers, "links: 4, window: 8");
    for at in 0..2 {
        let series = format!("trunkline_links_bound{{carrier=\"c{at}\"}}");
        gateway.wait_for_metric(&series, |links| links == 4.0);
    }
    let senders: Vec<_> = (0..CUSTOMERS)
        .map(|customer| {
            let sessions = [bound(&gateway, customer), bound(&gateway, customer)];
            std::thread::spawn(move || send_all(sessions, customer))
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    let seen: Vec<_> = carriers.iter().map(|carrier| by_message(&carrier.submits_by_link())).collect();
    let (mut whole, mut used) = (0, BTreeSet::new());
    for (carrier, messages) in seen.iter().enumerate() {
        for (message, parts) in messages {
            let links: BTreeSet<_> = parts.iter().map(|(link, _)| *link).collect();
            let numbers: BTreeSet<_> = parts.iter().map(|(_, part)| part.number).collect();
            assert_eq!(
                (links.len(), parts.len(), numbers.len()),
                (1, 3, 3),
                "{message} at carrier {carrier}: {parts:?}"
            );
            whole += 1;
            used.extend(links.into_iter().map(|link| (carrier, link)));
        }
    }
    assert_eq!((whole, used.len()), (CUSTOMERS * MESSAGES, 8));
}

#[test]
fn references_of_two_customers_who_share_a_sender_differ_at_a_carrier_that_is_set_so() {
    let carriers = [Carrier::listen().run()];
    let gateway = gateway(2, &carriers, "links: 2, remap_references: true");
    let mut customers = [bound(&gateway, 0), bound(&gateway, 1)];
    customers[0].submit_when_up(&plain("first"));
    for number in [2, 1, 3] {
        for (customer, session) in customers.iter_mut().enumerate() {
            for mark in MARKS {
                let text = format!("a{customer}{mark:?}");
                assert_eq!(session.submit(&part("1000", &text, mark, 7, number)).status, ROK);
            }
        }
    }
    let messages = by_message(&carriers[0].submits_by_link());
    assert_eq!(messages.len(), 6);
    let mut given = BTreeSet::new();
    for (message, parts) in &messages {
        let references: BTreeSet<_> = parts.iter().map(|(_, part)| (part.mark.width(), part.reference)).collect();
        let numbers: Vec<_> = parts.iter().map(|(_, part)| (part.total, part.number)).collect();
        assert_eq!((references.len(), numbers), (1, vec![(3, 2), (3, 1), (3, 3)]), "{message}");
        given.extend(references);
    }
    // Two of 8 bits; four of 16, the SAR ones among them.
    assert_eq!(given.len(), 6, "{given:?}");
}
