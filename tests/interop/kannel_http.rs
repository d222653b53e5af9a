//! Kannel's own smsbox beside ours: the same requests to both, and what each answers, sends its carrier and calls at the dlr-url.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use trunkline::smpp::command::CommandId;
use trunkline::smpp::segment::segment_ref;
use trunkline::smpp::time::SmppTime;
use trunkline::smpp::view::SmView;

use crate::carrier::Carrier;
use crate::peer::{PATIENCE, Pdu, Peer};
use crate::peers::{has, skipped};
use crate::receiver::Receiver;
use crate::sendsms::{called, dlr_url, posted, sendsms};
use crate::smsboxes::{Kannel, gateway};

const WHO: &str = "username=acme&password=secret";
const ACCEPTED: (u16, &str) = (202, "0: Accepted for delivery");

/// What is the same in two submits for one request: all but the types of numbers, which Kannel takes for national unless told
/// otherwise, and the reference of parts.
fn comparable(body: &[u8]) -> String {
    let view = SmView::submit(body).unwrap();
    let mut without_reference = body.to_vec();
    if let Some(segment) = segment_ref(&view) {
        segment.write_reference(0, &mut without_reference);
    }
    let text = SmView::submit(&without_reference).unwrap().text().to_vec();
    let minutes = |time: &[u8]| match SmppTime::parse(time) {
        Some(SmppTime::At(at)) => (at - 30) / 60,
        Some(SmppTime::In(_)) | None => 0,
    };
    format!(
        "{:?} {:?} service {:?} esm_class {:#x} pid {} priority {} schedule {} validity {} registered {:#x} coding {:#x} text {text:x?}",
        String::from_utf8_lossy(view.source.digits),
        String::from_utf8_lossy(view.destination.digits),
        String::from_utf8_lossy(view.service_type),
        view.esm_class,
        view.protocol_id,
        view.priority,
        minutes(view.schedule),
        minutes(view.validity),
        view.registered_delivery,
        view.data_coding,
    )
}

/// Answered by both alike, and sent alike; the number of submits.
const ALIKE: &[(&str, usize)] = &[
    ("from=ACME&to=4915100000001&text=Hello+world", 1),
    ("from=1000&to=%2B4915100000001&text=x%21", 1),
    ("from=ACME&to=4915100000001+4915100000002+4915100000001&text=x", 2),
    ("from=ACME&to=4915100000001&text=caf%C3%A9+%E2%82%AC+%7B%7D", 1),
    ("from=ACME&to=4915100000001&text=caf%E9&charset=ISO-8859-1", 1),
    ("from=ACME&to=4915100000001&text=%80&charset=WINDOWS-1252", 1),
    ("from=ACME&to=4915100000001&text=%CE%94&charset=utf-8", 1),
    ("from=ACME&to=4915100000001&text=%C4&charset=ISO-8859-7", 1),
    ("from=ACME&to=4915100000001&text=%D0%9F%21&coding=0", 1),
    ("from=ACME&to=4915100000001&text=%04%1F%00%21&coding=2", 1),
    ("from=ACME&to=4915100000001&text=%D0%9F&coding=2&charset=UTF-8", 1),
    ("from=ACME&to=4915100000001&text=h%00i%00&coding=2&charset=UTF-16LE", 1),
    ("from=ACME&to=4915100000001&text=%00%01%FE%FF%2B&coding=1", 1),
    ("from=ACME&to=4915100000001&text=%06%05%04&udh=%06%05%04%15%82%00%00", 1),
    ("from=ACME&to=4915100000001&text=x&udh=%04%01%02%C0%02&coding=0&mwi=0", 1),
    ("from=ACME&to=4915100000001", 1),
    ("from=ACME&to=4915100000001&text=", 1),
    ("from=ACME&to=4915100000001&text=x&udh=", 1),
    ("from=ACME&to=4915100000001&text=x&mclass=0", 1),
    ("from=ACME&to=4915100000001&text=x&mclass=3&alt-dcs=1&coding=1&pid=127", 1),
    ("from=ACME&to=4915100000001&text=%00x&mclass=0&coding=2", 1),
    ("from=ACME&to=4915100000001&text=x&alt-dcs=1", 1),
    ("from=ACME&to=4915100000001&text=x&alt-dcs=0&rpi=1", 1),
    ("from=ACME&to=4915100000001&text=x&mwi=1", 1),
    ("from=ACME&to=4915100000001&text=%00x&mwi=2&coding=2", 1),
    ("from=ACME&to=4915100000001&mwi=5", 1),
    ("from=ACME&to=4915100000001&mwi=3", 1),
    ("from=ACME&to=4915100000001&text=x&compress=1", 1),
    ("from=ACME&to=4915100000001&text=x&validity=60&deferred=5&priority=3&binfo=CMT", 1),
    ("from=ACME&to=4915100000001&text=x&account=a&smsc=other&tag=t&flash=1", 1),
    ("from=ACME&to=4915100000001&text=x&coding=abc&priority=&dlr-mask=x", 1),
    ("from=ACME&to=4915100000001&text=100%&priority=1x&pid=+7", 1),
    ("from=ACME&to=4915100000001&text=a%zzb%4&priority=2&priority=9", 1),
    // Not percent-encoded as it should be.
    ("from=ACME&to=4915100000001&text=caf\u{e9}", 1),
    ("from=ACME&to=4915100000001&text=a|b{c}[d]^", 1),
    ("from=ACME&to=4915100000001&text=x'y'\\z", 1),
    ("from=ACME&to=4915100000001&text=a/b?c=d;e,f:g@h$!*()~", 1),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=1", 1),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=2", 1),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=7", 1),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=24", 1),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=66", 1),
    // Refused.
    ("from=ACME", 0),
    ("from=ACME&to=", 0),
    ("from=ACME&to=+", 0),
    ("from=ACME&to=abc&text=x", 0),
    ("to=4915100000001&text=x", 0),
    ("from=ACME&to=4915100000001&text=x&udh=%05", 0),
    ("from=ACME&to=4915100000001&text=x&dlr-url=ftp", 0),
    ("from=ACME&to=4915100000001&text=x&dlr-url=ftp://xxxxx", 0),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=67", 0),
    ("from=ACME&to=4915100000001&text=x&dlr-mask=-2", 0),
    ("from=ACME&to=4915100000001&text=x&mclass=4", 0),
    ("from=ACME&to=4915100000001&text=x&mwi=8", 0),
    ("from=ACME&to=4915100000001&text=x&coding=3", 0),
    ("from=ACME&to=4915100000001&text=x&pid=256", 0),
    ("from=ACME&to=4915100000001&text=x&rpi=3", 0),
    ("from=ACME&to=4915100000001&text=x&alt-dcs=2", 0),
    ("from=ACME&to=4915100000001&text=x&compress=2", 0),
    ("from=ACME&to=4915100000001&text=x&validity=-2", 0),
    ("from=ACME&to=4915100000001&text=x&deferred=-2", 0),
    ("from=ACME&to=4915100000001&text=x&priority=4", 0),
    ("from=ACME&to=4915100000001&text=x&charset=nonsense", 0),
    ("from=ACME&to=4915100000001&text=x&account=%5Bx%5D", 0),
    ("from=ACME&to=33151&text=x", 0),
];

type Answer<'a> = (u16, &'a str);

const NO_URL: Answer<'_> = (
    400,
    r#"{"detail":"The target of the request line is no URL: some of it must be percent-encoded.","status":400,"title":"The request is malformed","type":"urn:trunkline:malformed"}"#,
);

/// Answered otherwise than by Kannel, as docs/kannel.md says: its answer, and ours.
const OTHERWISE: &[(&str, Answer<'_>, Answer<'_>)] = &[
    ("from=ACME&to=4915100000001+abc&text=x", ACCEPTED, (202, "0: Accepted for delivery Denied receivers are: abc")),
    (
        "from=ACME&to=33151+4915100000001&text=x",
        (403, "Not routable. Do not try again."),
        (202, "0: Accepted for delivery Failed receivers are: 33151"),
    ),
    ("from=ACME&to=4915100000001&text=%FF%FE&charset=UTF-8", ACCEPTED, (400, "Charset or body misformed, rejected")),
    // Neither a URL nor anything else that HTTP knows.
    ("from=ACME&to=4915100000001&text=<x>", ACCEPTED, NO_URL),
    ("from=ACME&to=4915100000001&text=\"x\"", ACCEPTED, NO_URL),
    ("from=ACME&to=4915100000001&text=x&binfo=sixlet", ACCEPTED, (400, "BInfo field misformed, rejected")),
    ("from=TWELVELETTER&to=4915100000001&text=x", ACCEPTED, (400, "From field misformed, rejected")),
    (
        "from=ACME&to=4915100000001&text=x&meta-data=%3Fsmpp%3Fdata_coding%3D1%26",
        ACCEPTED,
        (400, "Meta-Data of the group smpp is not supported, rejected"),
    ),
];

fn is_like(answer: &(u16, String), expected: (u16, &str)) -> bool {
    (answer.0, &answer.1[..]) == expected
}

#[test]
#[ignore = "needs kannel: just interop"]
fn sendsms_answers_and_sends_as_smsbox_does() {
    if let Err(why) = has("bearerbox").and_then(|()| has("smsbox")) {
        return skipped(&why);
    }
    let (theirs, ours) = (Carrier::listen().run(), Carrier::listen().run());
    let kannel = Kannel::start(theirs.address);
    let (_gateway, address) = gateway(ours.address);
    let (mut alike, mut sent) = (0, 0);
    let mut compare = |what: &str, answers: [(u16, String); 2], count: usize| {
        assert_eq!(answers[1], answers[0], "{what}");
        let expected = sent + count;
        let give_up = Instant::now() + PATIENCE;
        // Kannel answers before it sends.
        while theirs.submits().len() < expected && Instant::now() < give_up {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let submits = |submits: Vec<Vec<u8>>| {
            let mut submits: Vec<String> = submits[sent..].iter().map(|body| comparable(body)).collect();
            submits.sort();
            submits
        };
        let (theirs, ours) = (submits(theirs.submits()), submits(ours.submits()));
        assert_eq!((ours.len(), &ours), (count, &theirs), "{what}");
        (alike, sent) = (alike + 1, expected);
    };
    for (query, count) in ALIKE {
        let query = format!("{WHO}&{query}");
        compare(&query, [kannel.sendsms, address].map(|at| sendsms(at, &query)), *count);
    }
    let (gsm, ucs2, octets) = ("x".repeat(400), "%04%1F".repeat(200), "%FF".repeat(300));
    let long = [
        (format!("text={gsm}"), 3),
        (format!("text={}", &gsm[..160]), 1),
        (format!("text={}", &gsm[..161]), 2),
        (format!("text={ucs2}&coding=2"), 3),
        (format!("text={octets}&coding=1"), 3),
    ];
    for (query, count) in long {
        let query = format!("{WHO}&from=ACME&to=4915100000001&{query}");
        compare(&query, [kannel.sendsms, address].map(|at| sendsms(at, &query)), count);
    }
    for query in ["", "username=acme", "username=acme&password=wrong&to=4915100000001", "user=acme&pass=secret"] {
        compare(query, [kannel.sendsms, address].map(|at| sendsms(at, query)), 0);
    }
    let who = "X-Kannel-Username: acme\r\nX-Kannel-Password: secret\r\nX-Kannel-From: ACME\r\n";
    let to = "X-Kannel-To: 4915100000001\r\n";
    for (headers, body, count) in [
        (format!("{who}{to}Content-Type: text/plain\r\n"), "posted + 100%", 1),
        (format!("{who}{to}Content-Type: text/plain; charset=UTF-8\r\n"), "caf\u{e9}", 1),
        (format!("{who}{to}Content-Type: application/octet-stream\r\n"), "\u{1}\u{2}", 1),
        (format!("{who}{to}"), "\u{1}\u{2}", 1),
        (format!("{who}{to}X-Kannel-UDH: 06050415820000\r\nX-Kannel-Coding: 1\r\n"), "abc", 1),
        (format!("{who}{to}X-Kannel-UDH: %02%70%00\r\nX-Kannel-PID: 65\r\n"), "abc", 1),
        (format!("{who}{to}Content-Type: text/plain\r\nX-Kannel-MClass: 0\r\nX-Kannel-Priority: 2\r\n"), "x", 1),
        (format!("{who}Content-Type: text/plain\r\n"), "x", 0),
        (format!("{who}{to}Content-Type: application/json\r\n"), "{}", 0),
        (format!("{who}{to}Content-Type: text/html\r\n"), "<b>x</b>", 0),
        ("X-Kannel-Username: acme\r\nContent-Type: text/plain\r\n".to_owned(), "x", 0),
    ] {
        compare(&headers, [kannel.sendsms, address].map(|at| posted(at, &headers, body)), count);
    }
    for (query, kannels, expected) in OTHERWISE {
        let query = format!("{WHO}&{query}");
        let answers = [kannel.sendsms, address].map(|at| sendsms(at, &query));
        assert!(is_like(&answers[0], *kannels) && is_like(&answers[1], *expected), "{query}: {answers:?}");
    }
    println!("kannel: {alike} requests answered and sent alike, {} otherwise as documented", OTHERWISE.len());
}

/// The escapes whose values are the same, whoever fills them in; `{id}` stands for the id the SMSC gave the message.
const ESCAPES: [&str; 30] = [
    "%d",
    "%p",
    "%P",
    "%q",
    "%Q",
    "%n",
    "%c",
    "%C",
    "%m",
    "%M",
    "%B",
    "%f",
    "%u",
    "%v",
    "%V",
    "%x",
    "%N",
    "%z",
    "%%",
    "%a",
    "%A",
    "%b",
    "%k",
    "%s",
    "%S",
    "%r",
    "%F",
    "%R",
    "%O",
    "%#smpp#dlr_err#",
];

#[test]
#[ignore = "needs kannel: just interop"]
fn a_dlr_url_is_called_as_smsbox_calls_it() {
    if let Err(why) = has("bearerbox").and_then(|()| has("smsbox")) {
        return skipped(&why);
    }
    let (theirs, ours) = (Carrier::listen().run(), Carrier::listen().run());
    let kannel = Kannel::start(theirs.address);
    let (_gateway, address) = gateway(ours.address);
    let receiver = Receiver::listen();
    let path = format!("/?{}", ESCAPES.join("&"));
    let (url, to) = (dlr_url(receiver.address, &path), "%2B4915100000001");
    let mut compared = 0;
    // An SMSC is asked for receipts by each of these, for what becomes of the message or not at all.
    for (mask, calls) in [(31, 2), (1, 1), (3, 1), (8, 1), (24, 1), (7, 1), (16, 0), (9, 2)] {
        let query = format!("{WHO}&from=1000&to={to}&text=hello&dlr-mask={mask}&dlr-url={url}");
        let told = [kannel.sendsms, address].map(|at| {
            assert!(is_like(&sendsms(at, &query), ACCEPTED), "{query}");
            // Kannel's two calls come in any order.
            let mut told: Vec<_> = (0..calls).map(|_| values(&called(&receiver))).collect();
            told.sort();
            told
        });
        let [theirs, ours] = &told;
        for (theirs, ours) in theirs.iter().zip(ours) {
            let differing = |at: &usize| theirs[*at] != ours[*at];
            let different: Vec<_> =
                (0..ESCAPES.len()).filter(differing).map(|at| (ESCAPES[at], &theirs[at], &ours[at])).collect();
            assert!(different.is_empty(), "dlr-mask {mask}: {different:#?}");
            compared += ESCAPES.len();
        }
    }
    receiver.expect_none();
    println!("kannel: {compared} values of dlr-urls alike");
}

/// What the escapes became, the SMSC's id left out.
fn values(path: &str) -> Vec<String> {
    let values: Vec<&str> = path.strip_prefix("/?").unwrap().split('&').collect();
    assert_eq!(values.len(), ESCAPES.len(), "{path}");
    let id = values[ESCAPES.iter().position(|escape| *escape == "%F").unwrap()];
    let without_id = |value: &&str| if id.is_empty() { (*value).to_owned() } else { value.replace(id, "{id}") };
    values.iter().map(without_id).collect()
}

#[test]
#[ignore = "needs kannel: just interop"]
fn a_refusal_is_told_as_smsbox_tells_it() {
    const RINVDSTADR: u32 = 0x0B;
    if let Err(why) = has("bearerbox").and_then(|()| has("smsbox")) {
        return skipped(&why);
    }
    let receiver = Receiver::listen();
    let url = dlr_url(receiver.address, "/?%d&%p&%P&%F&%A");
    let carriers = [Carrier::listen(), Carrier::listen()];
    let [theirs, ours] = carriers.each_ref().map(Carrier::address);
    let linked = carriers.map(|carrier| std::thread::spawn(move || (carrier.accept(), carrier)));
    let (kannel, (_gateway, address)) = (Kannel::start(theirs), gateway(ours));
    let mut linked = linked.map(|linked| linked.join().unwrap());
    // Whoever asks for failures is told of refusals.
    for (mask, is_told) in [(31, true), (16, true), (2, true), (3, true), (8, false), (1, false)] {
        let query = format!("{WHO}&from=1000&to=4915100000001&text=x&dlr-mask={mask}&dlr-url={url}");
        let ask = |at: SocketAddr, (link, _): &mut (Peer, Carrier)| {
            let query = query.clone();
            let asking = std::thread::spawn(move || sendsms(at, &query));
            let submit = link.expect(CommandId::SUBMIT_SM);
            link.send_pdu(&Pdu::new(CommandId::SUBMIT_SM_RESP, RINVDSTADR, submit.sequence, b""));
            let answer = asking.join().unwrap();
            (answer, is_told.then(|| called(&receiver)))
        };
        let [theirs, ours] = &mut linked;
        let (accepted, theirs) = ask(kannel.sendsms, theirs);
        let (refused, ours) = ask(address, ours);
        // Kannel had answered before, and we wait for the SMSC's answer.
        assert!(is_like(&accepted, ACCEPTED), "{accepted:?}");
        assert!(is_like(&refused, (403, "Rejected by the SMSC with 0x0000000b. Do not try again.")), "{refused:?}");
        // Its status is told in words of their own, and our message has an id.
        let told = |call: Option<String>| {
            let mut values: Vec<_> = call?.split('&').map(str::to_owned).collect();
            values.remove(3);
            values[3].truncate("NACK%2F0x0000000b%2F".len());
            Some(values)
        };
        assert_eq!(told(ours), told(theirs), "dlr-mask {mask}");
    }
    receiver.expect_none();
}
