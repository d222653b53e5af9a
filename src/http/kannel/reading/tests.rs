//! Each parameter, sound and not, and in whose words it is refused.

use ::http::Request;
use bytes::Bytes;

use super::*;
use crate::config::Config;
use crate::http::kannel::tests::config;

fn read_with(config: &Config, query: &str) -> Result<Sendsms, Refusal> {
    let uri = format!("/cgi-bin/sendsms?{query}");
    let request = Request::builder().uri(uri).body(Bytes::new()).unwrap();
    read(&Said::of(&request).unwrap(), &config.accounts[0])
}

fn of(query: &str) -> Result<Sendsms, Refusal> {
    read_with(&config(""), &format!("from=ACME&to=491701234567&{query}"))
}

#[test]
fn what_smsbox_refuses_is_refused_in_its_words() {
    let config = config("");
    for (query, why) in [
        ("", "Missing receiver number, rejected"),
        ("from=A&text=x", "Missing receiver number, rejected"),
        ("from=A&to=&text=x", "Empty receiver number not allowed, rejected"),
        ("from=A&to&text=x", "Empty receiver number not allowed, rejected"),
        ("from=A&to=+", "Number(s) has/have been denied by white- and/or black-lists."),
        ("from=A&to=abc", "Number(s) has/have been denied by white- and/or black-lists."),
        ("from=A&to=12", "Number(s) has/have been denied by white- and/or black-lists."),
        ("from=A&to=4917%00", "Number(s) has/have been denied by white- and/or black-lists."),
        ("to=491701234567&text=x", "Sender missing and no global set, rejected"),
        ("from=&to=491701234567", "Sender missing and no global set, rejected"),
    ] {
        assert_eq!(read_with(&config, query), Err(Refusal::bad(why)), "{query}");
    }
    for (query, why) in [
        ("udh=%05", "UDH field misformed, rejected"),
        ("udh=%05%00%03%01%02", "UDH field misformed, rejected"),
        ("udh=%00%00", "UDH field misformed, rejected"),
        ("account=%5Bx%5D", "Account field misformed or too long, rejected"),
        ("account=a%0Ab", "Account field misformed or too long, rejected"),
        ("dlr-url=ftp", "DLR-URL field misformed, rejected"),
        ("dlr-url=ftp://example.com", "DLR-URL field misformed, rejected"),
        ("dlrurl=gopher:", "DLR-URL field misformed, rejected"),
        ("dlr-mask=67", "DLR-Mask field misformed, rejected"),
        ("dlr-mask=-2", "DLR-Mask field misformed, rejected"),
        ("dlr-mask=99999999999999999999", "DLR-Mask field misformed, rejected"),
        ("dlrmask=67", "DLR-Mask field misformed, rejected"),
        ("mclass=4", "MClass field misformed, rejected"),
        ("pid=256", "PID field misformed, rejected"),
        ("rpi=3", "RPI field misformed, rejected"),
        ("alt-dcs=2", "Alt-DCS field misformed, rejected"),
        ("mwi=8", "MWI field misformed, rejected"),
        ("coding=3", "Coding field misformed, rejected"),
        ("compress=2", "Compress field misformed, rejected"),
        ("validity=-2", "Validity field misformed, rejected"),
        ("validity=99999999", "Validity field misformed, rejected"),
        ("deferred=-2", "Deferred field misformed, rejected"),
        ("priority=4", "Priority field misformed, rejected"),
        ("priority=-2", "Priority field misformed, rejected"),
        ("text=x&charset=nonsense", "Charset or body misformed, rejected"),
        ("text=%FF%FE%FD&charset=UTF-8", "Charset or body misformed, rejected"),
        ("text=%FF", "Charset or body misformed, rejected"),
        ("text=%00&coding=2", "Charset or body misformed, rejected"),
        // Smsbox takes these, and sends something else.
        ("binfo=sixlet", "BInfo field misformed, rejected"),
        ("binfo=a%00", "BInfo field misformed, rejected"),
        ("meta-data=%3Fsmpp%3Fdata_coding%3D1", "Meta-Data of the group smpp is not supported, rejected"),
    ] {
        assert_eq!(of(query), Err(Refusal::bad(why)), "{query}");
    }
    for from in ["ABCDEFGHIJKL", "123456789012345678901", "A%00B", "%FF"] {
        let query = format!("from={from}&to=491701234567");
        assert_eq!(read_with(&config, &query), Err(Refusal::bad("From field misformed, rejected")), "{from}");
    }
}

#[test]
fn what_is_absent_or_says_nothing_is_as_smsbox_has_it() {
    let nothing = of("").unwrap();
    assert_eq!(nothing.content, Content::Text(String::new()));
    assert_eq!((nothing.mask, nothing.priority, nothing.protocol_id, nothing.header.clone()), (0, 0, 0, None));
    for query in [
        "coding=abc&mclass=x&dlr-mask=",
        "coding=-1&mclass=-1&pid=-1&rpi=-1&alt-dcs=-1&mwi=-1&validity=-1&deferred=-1&priority=-1&dlr-mask=-1",
        "udh=",
        "flash=1&smsc=north&tag=x&nonsense=y&account=billing&meta-data=%3Fmine%3Fa%3Db",
        // Nobody asks for a report.
        "dlr-url=http://127.0.0.1/%25d",
        "rpi=0&alt-dcs=0&compress=0",
    ] {
        assert_eq!(of(query).as_ref(), Ok(&nothing), "{query}");
    }
}

#[test]
fn of_what_comes_twice_the_first_counts() {
    let first = of("text=one&text=two&priority=1&priority=9&from=OTHER").unwrap();
    assert_eq!((first.content, first.priority, first.sender), (Content::Text("one".into()), 1, "ACME".to_owned()));
}

#[test]
fn several_receivers_stand_apart_and_each_once() {
    let read = |to: &str| {
        let sendsms = read_with(&config(""), &format!("from=A&to={to}")).unwrap();
        let text = |list: Vec<Vec<u8>>| list.into_iter().map(|one| String::from_utf8(one).unwrap()).collect::<Vec<_>>();
        (text(sendsms.receivers.numbers), text(sendsms.receivers.denied))
    };
    assert_eq!(
        read("%2B491701+491702%20491701%0a491702"),
        (vec!["+491701".into(), "491702".into(), "491701".into()], vec![])
    );
    assert_eq!(read("491701+abc+49%2b1702+abc"), (vec!["491701".into()], vec!["abc".into(), "49+1702".into()]));
    assert_eq!(read("49-170-1"), (vec!["49-170-1".into()], vec![]));
    assert_eq!(number_of(b"+49-170-1"), Some("+491701".to_owned()));
    let many: Vec<_> = (0..1001).map(|number| format!("49170{number:04}")).collect();
    assert_eq!(read(&many[..1000].join("+")).0.len(), 1000);
    let query = format!("from=A&to={}", many.join("+"));
    assert_eq!(read_with(&config(""), &query), Err(Refusal::bad("Too many receivers, rejected")));
}

#[test]
fn a_text_is_what_coding_and_charset_say() {
    for (query, content) in [
        ("text=caf%C3%A9", Content::Text("caf\u{e9}".into())),
        ("text=caf%E9&charset=ISO-8859-1", Content::Text("caf\u{e9}".into())),
        ("text=%80&charset=WINDOWS-1252&coding=0", Content::Gsm("\u{20ac}".into())),
        ("text=%00h%00i&coding=2", Content::Ucs2("hi".into())),
        ("text=hi&coding=2&charset=UTF-8", Content::Ucs2("hi".into())),
        ("text=%00%FF%1B&coding=1", Content::Octets(vec![0, 0xFF, 0x1B])),
        ("text=%00%FF&coding=1&charset=nonsense", Content::Octets(vec![0, 0xFF])),
        ("text=%06%05&udh=%02%70%00", Content::Octets(vec![6, 5])),
        ("text=hi&udh=%02%70%00&coding=0", Content::Gsm("hi".into())),
    ] {
        assert_eq!(of(query).map(|sendsms| sendsms.content), Ok(content), "{query}");
    }
}

#[test]
fn every_parameter_is_read() {
    let read = of("udh=%02%70%00&mclass=2&mwi=1&compress=1&alt-dcs=1&pid=127&rpi=2&dlr-mask=31&dlr-url=HTTPS://h/%25d\
        &validity=60&deferred=+5&priority=3&binfo=CMT")
    .unwrap();
    assert_eq!(read.coding, Coding { class: Some(2), waiting: Some(1), is_compressed: true, is_short: true });
    assert_eq!((read.protocol_id, read.has_reply_path, read.priority), (127, true, 3));
    assert_eq!((read.validity, read.deferred, &read.service_type[..]), (Some(60), Some(5), &b"CMT"[..]));
    assert_eq!((read.mask, read.dlr_url), (31, Some(b"https://h/%d".to_vec())));
    assert_eq!(read.header, Some(vec![2, 0x70, 0]));
    assert_eq!(of("dlrmask=3&dlrurl=http://h/").map(|read| read.mask), Ok(3));
    assert_eq!(of("dlr-mask=34").map(|read| read.mask), Ok(2));
    assert_eq!(of("dlr-mask=65").map(|read| read.mask), Ok(3));
}

#[test]
fn a_sender_of_the_accounts_own_needs_none_here() {
    for (own, query, sender) in [
        ("force_sender: FORCED", "to=491701234567", ""),
        ("force_sender: FORCED", "to=491701234567&from=muchtoolongaswritten", ""),
        ("default_sender: MINE", "to=491701234567", ""),
        ("default_sender: MINE", "to=491701234567&from=%2B4477009", "+4477009"),
    ] {
        assert_eq!(read_with(&config(own), query).map(|read| read.sender), Ok(sender.to_owned()), "{own} {query}");
    }
}
