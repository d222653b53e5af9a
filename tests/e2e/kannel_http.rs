//! Kannel's users: the URLs that its guide documents, unchanged, and their dlr-urls called with the values they would have.

use std::net::SocketAddr;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::view::SmView;

use crate::carrier::{AutoCarrier, Carrier, receipt, resp};
use crate::gateway::{Directory, Gateway, free_address, run};
use crate::peer::{Pdu, ROK};
use crate::receiver::Receiver;
use crate::sendsms::{called, dlr_url, posted, sendsms};

const ACME: &str =
    "password: secret, shard: 1, callback_override: true, callback: { allow_http: true, allow_private: true }";

/// A gateway that HTTP is served on; the carrier is at the other shard than the account.
fn gateway(carrier: SocketAddr, acme: &str) -> (Gateway, SocketAddr) {
    let listen = free_address();
    let gateway = Gateway::start(&format!(
        r#"
http: {{ listen: "{listen}" }}
accounts: {{ acme: {{ {ACME}, {acme} }}, plain: {{ password: secret }} }}
carriers: {{ north: {{ connect: "{carrier}", system_id: us, password: secret, links: 1, shard: 0 }} }}
routes: [{{ when: {{ destination: "49*" }}, to: north }}]
"#
    ));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"north\"}", |bound| bound > 0.0);
    (gateway, listen)
}

#[test]
fn the_example_in_the_docs_is_a_configuration() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kannel.md")).unwrap();
    let yaml = page
        .split("```")
        .filter_map(|block| block.strip_prefix("yaml\n"))
        .find(|block| block.contains("13013"))
        .unwrap();
    let directory = Directory::new();
    let file = directory.write("trunkline.yaml", yaml);
    let (code, out, err) = run(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("HTTP on 127.0.0.1:13013"), "{out}");
}

const WHO: &str = "username=acme&password=secret";
const ACCEPTED: &str = "0: Accepted for delivery";

#[test]
fn the_guides_urls_are_answered_and_sent_as_kannel_does() {
    let carrier: AutoCarrier = Carrier::listen().run();
    let (_gateway, address) = gateway(carrier.address, "default_sender: ACME");
    // The guide's own, and one of each parameter.
    for (query, sent) in [
        ("to=4915123456&text=Hello+world", &b"Hello world"[..]),
        ("user=acme&pass=secret&to=4915123456&text=%61%62%63", b"abc"),
        ("from=1000&to=%2B4915123456&text=%E2%82%AC&charset=UTF-8", b"\x1B\x65"),
        ("to=4915123456&text=%80&charset=WINDOWS-1252", b"\x1B\x65"),
        ("to=4915123456&text=%04%1F&coding=2", b"\x04\x1F"),
        ("to=4915123456&text=%00%FF&coding=1&pid=127&alt-dcs=1&mclass=3", b"\0\xFF"),
        ("to=4915123456&mwi=0&coding=0&udh=%04%01%02%C0%02&text=x", b"\x04\x01\x02\xC0\x02x"),
        ("to=4915123456&text=late&validity=60&deferred=5&priority=2&account=a&smsc=b&binfo=CMT", b"late"),
    ] {
        let who = if query.starts_with("user") { "" } else { "username=acme&password=secret&" };
        assert_eq!(sendsms(address, &format!("{who}{query}")), (202, ACCEPTED.to_owned()), "{query}");
        let body = carrier.submits().pop().unwrap();
        let view = SmView::submit(&body).unwrap();
        assert_eq!((view.text(), view.destination.digits), (sent, &b"4915123456"[..]), "{query}");
    }
    let count = carrier.submits().len();
    assert_eq!(sendsms(address, &format!("{WHO}&to=4915123456+4915123457&text=both")), (202, ACCEPTED.to_owned()));
    let long = "x".repeat(320);
    assert_eq!(sendsms(address, &format!("{WHO}&to=4915123456&text={long}")), (202, ACCEPTED.to_owned()));
    assert_eq!(carrier.submits().len(), count + 2 + 3);
    let headers = "X-Kannel-Username: acme\r\nX-Kannel-Password: secret\r\nX-Kannel-To: 4915123456\r\nContent-Type: text/plain\r\n";
    assert_eq!(posted(address, headers, "posted"), (202, ACCEPTED.to_owned()));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(posted(address, form, &format!("{WHO}&to=4915123456&text=form")), (202, ACCEPTED.to_owned()));
    let last = carrier.submits().pop().unwrap();
    assert_eq!(SmView::submit(&last).unwrap().text(), b"form");
    for (query, status, why) in [
        ("", 403, "Authorization failed for sendsms"),
        ("username=acme&password=wrong&to=4915123456", 403, "Authorization failed for sendsms"),
        ("username=nobody&password=secret&to=4915123456", 403, "Authorization failed for sendsms"),
        ("username=acme&password=secret", 400, "Missing receiver number, rejected"),
        ("username=acme&password=secret&to=33151234", 403, "Not routable. Do not try again."),
        ("username=plain&password=secret&to=4915123456", 400, "Sender missing and no global set, rejected"),
        (
            "username=plain&password=secret&from=A&to=4915123456&dlr-mask=1&dlr-url=http://h/x",
            403,
            "DLR-URL cannot be named by this account's requests, rejected",
        ),
    ] {
        assert_eq!(sendsms(address, query), (status, why.to_owned()), "{query}");
    }
    let named = "0: Accepted for delivery Denied receivers are: abc Failed receivers are: 33151234";
    assert_eq!(sendsms(address, &format!("{WHO}&to=33151234+abc+4915123456&text=x")), (202, named.to_owned()));
}

#[test]
fn a_dlr_url_is_called_with_what_the_guide_promises() {
    let carrier = Carrier::listen().run();
    let (_gateway, address) = gateway(carrier.address, "");
    let receiver = Receiver::listen();
    let path = "/dlr?myId=123456&type=%d&id=%F&to=%p&from=%P&plus=%q&smsc=%i&user=%n&reply=%A&time=%T&percent=%%";
    let url = dlr_url(receiver.address, path);
    let query = format!("{WHO}&from=1000&to=%2B4915100000001&text=hello&dlr-mask=31&dlr-url={url}");
    assert_eq!(sendsms(address, &query), (202, ACCEPTED.to_owned()));
    let (accepted, delivered) = (called(&receiver), called(&receiver));
    let field = |path: &str, name: &str| {
        let fields = path.split_once('?').unwrap().1.split('&');
        fields.filter_map(|field| field.split_once('=')).find(|(known, _)| *known == name).unwrap().1.to_owned()
    };
    for (call, kind) in [(&accepted, "8"), (&delivered, "1")] {
        assert!(call.starts_with("/dlr?myId=123456&type="), "{call}");
        let told = ["type", "to", "from", "plus", "smsc", "user", "percent"].map(|name| field(call, name));
        assert_eq!(told, [kind, "%2B4915100000001", "1000", "%2B4915100000001", "trunkline", "acme", "%"], "{call}");
    }
    let id = field(&accepted, "id");
    assert_eq!((id.len(), field(&delivered, "id")), (16, id.clone()));
    assert_eq!(field(&accepted, "reply"), "ACK%2F");
    // The carrier's words, under our id.
    let reply = field(&delivered, "reply");
    assert!(
        reply.starts_with(&format!("id%3A{id}+sub%3A001+dlvrd%3A001+")) && reply.contains("+stat%3ADELIVRD+"),
        "{reply}"
    );
    // What is not asked for is not told.
    let url = dlr_url(receiver.address, "/only?%d");
    let query = format!("{WHO}&from=1000&to=4915100000001&text=hello&dlr-mask=1&dlr-url={url}");
    assert_eq!(sendsms(address, &query), (202, ACCEPTED.to_owned()));
    assert_eq!(called(&receiver), "/only?1");
    receiver.expect_none();
}

#[test]
fn a_dlr_url_hears_what_the_carrier_keeps_refuses_and_fails() {
    const RINVDSTADR: u32 = 0x0B;
    let carrier = Carrier::listen();
    let address = carrier.address();
    let linked = std::thread::spawn(move || (carrier.accept(), carrier));
    let (_gateway, http) = gateway(address, "");
    let (mut link, _carrier) = linked.join().unwrap();
    let receiver = Receiver::listen();
    let url = dlr_url(receiver.address, "/?%d+%A+%p+%#smpp#dlr_err#");
    let to = "4915100000001+4915100000002";
    let query = format!("{WHO}&from=1000&to={to}&text=hello&dlr-mask=31&dlr-url={url}");
    let asking = std::thread::spawn(move || sendsms(http, &query));
    for _ in 0..2 {
        let submit = link.expect(CommandId::SUBMIT_SM);
        let view = SmView::submit(&submit.body).unwrap();
        assert_eq!(view.registered_delivery, 0x11);
        if view.destination.digits == b"4915100000001" {
            link.send_pdu(&resp(&submit, "n1"));
        } else {
            link.send_pdu(&Pdu::new(CommandId::SUBMIT_SM_RESP, RINVDSTADR, submit.sequence, b""));
        }
    }
    let answer = "0: Accepted for delivery Failed receivers are: 4915100000002";
    assert_eq!(asking.join().unwrap(), (202, answer.to_owned()));
    let mut first = [called(&receiver), called(&receiver)];
    first.sort();
    assert_eq!(first, ["/?16+NACK%2F0x0000000b%2FESME_RINVDSTADR+4915100000002+", "/?8+ACK%2F+4915100000001+"]);
    for (sequence, state, kind) in [(1, "ENROUTE", "4"), (2, "UNDELIV", "2")] {
        link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, sequence, &receipt("n1", state)));
        link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, sequence);
        let call = called(&receiver);
        assert!(call.starts_with(&format!("/?{kind}+id%3A")), "{call}");
        assert!(call.contains(&format!("stat%3A{state}")), "{call}");
        assert!(call.ends_with("+4915100000001+%03%00%00"), "{call}");
    }
    receiver.expect_none();
}

/// As Kannel does it: answered when it is kept here, and told of afterwards.
#[test]
fn what_was_stored_is_told_of_when_a_carrier_took_or_refused_it() {
    const RINVDSTADR: u32 = 0x0B;
    let carrier = Carrier::listen();
    let address = carrier.address();
    let linked = std::thread::spawn(move || (carrier.accept(), carrier));
    let (_gateway, http) = gateway(address, "accept: store");
    let (mut link, _carrier) = linked.join().unwrap();
    let receiver = Receiver::listen();
    let url = dlr_url(receiver.address, "/?%d+%A");
    let query = format!("{WHO}&from=1000&to=4915100000001&text=hello&dlr-mask=31&dlr-url={url}");
    assert_eq!(sendsms(http, &query), (202, ACCEPTED.to_owned()));
    let submit = link.expect(CommandId::SUBMIT_SM);
    link.send_pdu(&Pdu::new(CommandId::SUBMIT_SM_RESP, RINVDSTADR, submit.sequence, b""));
    let call = called(&receiver);
    assert!(call.starts_with("/?16+NACK%2F"), "{call}");
    assert_eq!(sendsms(http, &query), (202, ACCEPTED.to_owned()));
    let submit = link.expect(CommandId::SUBMIT_SM);
    link.send_pdu(&resp(&submit, "n1"));
    assert_eq!(called(&receiver), "/?8+ACK%2F");
    link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 1, &receipt("n1", "DELIVRD")));
    link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
    assert!(called(&receiver).starts_with("/?1+id%3A"));
    receiver.expect_none();
}
