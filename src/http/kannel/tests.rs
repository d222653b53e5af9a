//! Requests to sendsms as they come, to the messages they become and what they are answered.

use ::http::Response;

use super::*;
use crate::config::{self, Config};
use crate::engine::web::{Fate, Message, Submitted, Tell};
use crate::http::{self, References};
use crate::smpp::message_id::MessageId;
use crate::smpp::time::{SmppTime, absolute};
use crate::smpp::view::SmView;

/// One account, `acme`, which may name its callbacks; with more of its settings.
pub(super) fn config(acme: &str) -> Config {
    let yaml = format!(
        "accounts: {{ acme: {{ password: secret, callback_override: true, callback: {{ allow_http: true }}, {acme} }} }}\n\
        carriers: {{ north: {{ connect: \"127.0.0.1:1\", system_id: us, password: x }} }}\nroutes: [{{ to: north }}]"
    );
    let surroundings = config::Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
    config::parse(&yaml, &surroundings).unwrap().config
}

const NOW: u32 = 1_795_437_296;

fn get(query: &str) -> Request<Bytes> {
    Request::builder().uri(format!("/cgi-bin/sendsms?{query}")).body(Bytes::new()).unwrap()
}

fn post(kind: &str, headers: &[(&str, &str)], body: &[u8]) -> Request<Bytes> {
    let mut request = Request::builder().method("POST").uri("/cgi-bin/sendsms?from=QUERY");
    if !kind.is_empty() {
        request = request.header("Content-Type", kind);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::copy_from_slice(body)).unwrap()
}

fn told(response: Response<Bytes>) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "text/html");
    (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
}

fn take_with(config: &Config, request: &Request<Bytes>) -> Result<(Vec<Message>, Waiting), (u16, String)> {
    let references = References::new(0, 1, 7);
    let account = Some(&config.accounts[0]);
    let composing = Composing { config, account, unix_seconds: NOW, references: &references };
    match http::take(request, &composing) {
        Step::Ask(web::Request::Submit(submission), waiting) => Ok((submission.messages, waiting)),
        Step::Ask(..) => panic!("something else was asked"),
        Step::Answer(response) => Err(told(response)),
    }
}

fn messages(query: &str) -> Vec<Message> {
    let query = format!("username=acme&password=secret&from=ACME&to=491701234567&{query}");
    take_with(&config(""), &get(&query)).map(|(messages, _)| messages).unwrap()
}

fn message(query: &str) -> Message {
    let mut messages = messages(query);
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

#[test]
fn who_asks_stands_in_the_parameters() {
    let who = |request: &Request<Bytes>| match http::claim(request) {
        Claim::Of(Credentials::Password { account, password }) => {
            let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
            Ok((text(&account), text(password.expose())))
        }
        Claim::Of(Credentials::Token(_)) | Claim::Nobody => panic!("of nobody"),
        Claim::Refused(response) => Err(told(response)),
    };
    let acme = Ok(("acme".to_owned(), "s e&c".to_owned()));
    let headers = [("X-Kannel-Username", "acme"), ("X-Kannel-Password", " s e&c ")];
    for request in [
        get("username=acme&password=s+e%26c"),
        get("user=acme&pass=s+e%26c"),
        get("user=other&username=acme&pass=other&password=s+e%26c"),
        post("application/x-www-form-urlencoded", &[], b"username=acme&password=s+e%26c"),
        post("Application/X-WWW-Form-urlencoded; charset=UTF-8", &[], b"user=acme&pass=s+e%26c"),
        post("text/plain", &headers, b""),
        post("", &headers, b""),
    ] {
        assert_eq!(who(&request), acme, "{request:?}");
    }
    let wrong = (403, "Authorization failed for sendsms".to_owned());
    let refused = Err(wrong.clone());
    for request in [
        get(""),
        get("username=acme"),
        get("password=secret"),
        get("Username=acme&Password=secret"),
        post("text/plain", &[("X-Kannel-User", "acme"), ("X-Kannel-Pass", "secret")], b"username=acme&password=secret"),
    ] {
        assert_eq!(who(&request), refused, "{request:?}");
    }
    assert_eq!(told(http::unauthorized(&get("username=acme&password=wrong"))), wrong);
    assert_eq!(who(&post("application/json", &[], b"{}")), Err((400, "Invalid content-type".to_owned())));
    for kind in ["text/html", "text/xml; charset=UTF-8", "text/vnd.wap.wml"] {
        assert_eq!(who(&post(kind, &headers, b"")), Err((415, "Unsupported content-type, rejected".to_owned())));
    }
}

#[test]
fn a_request_becomes_a_message_and_its_fate_an_answer() {
    let query = "username=acme&password=secret&from=ACME&to=%2B491701234567+491702&text=Hello+world";
    let (messages, waiting) = take_with(&config(""), &get(query)).unwrap();
    let addresses: Vec<_> =
        messages.iter().map(|message| SmView::submit(&message.segments[0]).unwrap().destination.digits).collect();
    assert_eq!(addresses, [&b"491701234567"[..], b"491702"]);
    let view = SmView::submit(&messages[0].segments[0]).unwrap();
    assert_eq!(
        (view.source.digits, view.source.ton, view.destination.ton, view.destination.npi),
        (&b"ACME"[..], 5, 1, 1)
    );
    assert_eq!((view.short_message, view.data_coding, view.registered_delivery), (&b"Hello world"[..], 0, 0));
    assert_eq!((view.validity, view.schedule, view.esm_class), (&b""[..], &b""[..], 0));
    assert!(messages.iter().all(|message| message.tell == Tell::Nobody && message.segments.len() == 1));
    let accepted = Submitted { id: Some(MessageId::new(1)), fate: Fate::Accepted };
    let answer = waiting.answer(web::Reply::Submitted(vec![accepted; 2]), &config("").accounts[0]);
    assert_eq!(told(answer), (202, "0: Accepted for delivery".to_owned()));
}

#[test]
fn a_text_takes_the_alphabet_that_has_it_unless_one_was_asked_for() {
    for (query, data_coding, octets) in [
        ("text=%E2%82%AC+caf%C3%A9", 0x00, &b"\x1B\x65 caf\x05"[..]),
        ("text=%D0%9F", 0x08, b"\x04\x1F"),
        ("text=%D0%9F!&coding=0", 0x00, b"?!"),
        ("text=a&coding=2&charset=UTF-8", 0x08, b"\0a"),
        ("text=a&mclass=0", 0xF0, b"a"),
        ("text=%D0%9F&mclass=0", 0x18, b"\x04\x1F"),
        ("text=%00%01&coding=1&mclass=1&alt-dcs=1", 0xF5, b"\0\x01"),
        ("text=a&alt-dcs=1", 0xF1, b"a"),
        ("text=a&mwi=0", 0xD8, b"a"),
        ("mwi=4", 0xC0, b""),
        ("text=@", 0x00, b"\0"),
    ] {
        let message = message(query);
        let view = SmView::submit(&message.segments[0]).unwrap();
        assert_eq!((view.data_coding, view.short_message, view.has_udh()), (data_coding, octets, false), "{query}");
    }
}

#[test]
fn the_other_parameters_stand_in_the_submit_sm() {
    let message =
        message("text=%01%02&udh=%02%70%00&pid=127&rpi=1&validity=60&deferred=5&priority=2&binfo=CMT&dlr-mask=31");
    let view = SmView::submit(&message.segments[0]).unwrap();
    assert_eq!((view.short_message, view.data_coding, view.esm_class), (&b"\x02\x70\0\x01\x02"[..], 0x04, 0xC0));
    assert_eq!((view.protocol_id, view.priority, view.service_type), (127, 2, &b"CMT"[..]));
    assert_eq!(view.validity, absolute(i64::from(NOW) + 3600));
    assert_eq!(SmppTime::parse(view.schedule), Some(SmppTime::At(i64::from(NOW) + 300)));
    assert_eq!(message.tell, Tell::Account);
    for (mask, registered) in
        [(0, 0), (1, 1), (2, 2), (3, 1), (4, 0x10), (8, 0), (16, 0), (24, 0), (6, 0x12), (31, 0x11)]
    {
        let message = self::message(&format!("dlr-mask={mask}"));
        assert_eq!(SmView::submit(&message.segments[0]).unwrap().registered_delivery, registered, "{mask}");
    }
}

#[test]
fn a_long_text_goes_in_parts_and_so_does_one_behind_a_header() {
    let text = "x".repeat(161);
    let message = message(&format!("text={text}"));
    let parts: Vec<_> = message.segments.iter().map(|body| SmView::submit(body).unwrap().short_message).collect();
    assert_eq!((parts[0].len(), parts[1].len()), (6 + 153, 6 + 8));
    assert_eq!((&parts[0][..6], &parts[1][..6]), (&[5, 0, 3, 7, 2, 1][..], &[5, 0, 3, 7, 2, 2][..]));
    let refused = |query: &str| {
        let query = format!("username=acme&password=secret&from=ACME&to=491701234567&{query}");
        take_with(&config(""), &get(&query)).map(|_| ()).unwrap_err()
    };
    let long = "x".repeat(255 * 153 + 1);
    assert_eq!(refused(&format!("text={long}")), (400, "Text is too long, rejected".to_owned()));
    let many: Vec<_> = (0..1000).map(|number| format!("49170{number:04}")).collect();
    let to_many = |parts: usize| {
        let (to, text) = (many.join("+"), "x".repeat(parts * 153));
        let query = format!("username=acme&password=secret&from=ACME&to={to}&text={text}");
        take_with(&config(""), &post("application/x-www-form-urlencoded", &[], query.as_bytes()))
    };
    assert_eq!(to_many(10).map(|(messages, _)| messages.len()).ok(), Some(1000));
    let why = "Too many receivers of so long a text, rejected".to_owned();
    assert_eq!(to_many(11).map(|_| ()), Err((400, why)));
    assert_eq!(refused("udh=%03%00%03%01"), (400, "UDH field misformed, rejected".to_owned()));
    let why = "UDH field marks a part, and the text does not fit into one, rejected".to_owned();
    assert_eq!(refused(&format!("udh=%05%00%03%01%02%01&text={text}")), (400, why));
}

#[test]
fn a_posted_body_is_the_text_and_headers_are_the_parameters() {
    let headers = [
        ("X-Kannel-Username", "acme"),
        ("X-Kannel-Password", "secret"),
        ("X-Kannel-From", "ACME"),
        ("X-Kannel-To", " 491701234567 "),
        ("X-Kannel-Text", "not this"),
    ];
    let taken = |kind: &str, more: &[(&str, &str)], body: &[u8]| {
        let headers: Vec<_> = headers.iter().chain(more).copied().collect();
        let (messages, _) = take_with(&config(""), &post(kind, &headers, body)).unwrap();
        let view = SmView::submit(&messages[0].segments[0]).unwrap();
        (view.data_coding, view.esm_class, view.short_message.to_vec(), messages[0].tell.clone())
    };
    let nobody = Tell::Nobody;
    assert_eq!(taken("text/plain", &[], b"100%+x"), (0, 0, b"100%+x".to_vec(), nobody.clone()));
    assert_eq!(taken("text/plain", &[], b"caf\xE9"), (0, 0, b"caf\x05".to_vec(), nobody.clone()));
    assert_eq!(
        taken("text/plain; charset=\"UTF-8\"", &[], b"caf\xC3\xA9"),
        (0, 0, b"caf\x05".to_vec(), nobody.clone())
    );
    assert_eq!(
        taken("text/plain;charset=utf-8", &[], "\u{41f}".as_bytes()),
        (8, 0, b"\x04\x1F".to_vec(), nobody.clone())
    );
    let coding = |coding| [("X-Kannel-Coding", coding)];
    assert_eq!(taken("text/plain;charset=utf-8", &coding("0"), "\u{41f}".as_bytes()).2, b"?");
    assert_eq!(taken("application/octet-stream", &[], b"\0\xFF"), (4, 0, b"\0\xFF".to_vec(), nobody.clone()));
    assert_eq!(taken("", &[], b"\0\xFF"), (4, 0, b"\0\xFF".to_vec(), nobody.clone()));
    assert_eq!(taken("", &coding("2"), b"\0h"), (8, 0, b"\0h".to_vec(), nobody.clone()));
    let udh = |udh| [("X-Kannel-UDH", udh)];
    let with_udh = (4, 0x40, b"\x02\x70\0\x01".to_vec(), nobody.clone());
    for written in ["027000", "%02%70%00", "%02p%00"] {
        assert_eq!(taken("application/octet-stream", &udh(written), b"\x01"), with_udh, "{written}");
    }
    assert_eq!(taken("text/plain", &udh("027000"), b"a"), (0, 0x40, b"\x02\x70\0a".to_vec(), nobody));
    let dlr = [("X-Kannel-DLR-Mask", "3"), ("X-Kannel-DLR-Url", "http://h/?%p")];
    let tell = Tell::Kannel { url: "http://h/?491701234567".into(), mask: 3 };
    assert_eq!(taken("text/plain", &dlr, b"a").3, tell);
    let request = post("text/plain", &headers[..3], b"a");
    let why = "Missing receiver(s) number(s), rejected".to_owned();
    assert_eq!(take_with(&config(""), &request).map(|_| ()), Err((400, why)));
    let request = post("text/plain", &[&headers[..4], &udh("02700")].concat(), b"a");
    assert!(matches!(http::claim(&request), Claim::Refused(_)));
}

#[test]
fn a_form_is_a_query_in_the_body() {
    let form = "application/x-www-form-urlencoded";
    let body = b"username=acme&password=secret&to=491701234567&text=%00%FF&coding=1";
    let (messages, _) = take_with(&config(""), &post(form, &[], body)).unwrap();
    let view = SmView::submit(&messages[0].segments[0]).unwrap();
    assert_eq!((view.source.digits, view.short_message), (&b"QUERY"[..], &b"\0\xFF"[..]));
}

#[test]
fn a_dlr_url_is_called_where_the_account_may_name_one() {
    let query = "username=acme&password=secret&from=ACME&to=%2B491701234567&text=x&dlr-mask=31&dlr-url=";
    let tell = |own: &str, url: &str| {
        let taken = take_with(&config(own), &get(&format!("{query}{url}")));
        taken.map(|(messages, _)| messages[0].tell.clone())
    };
    let kannel = |url: &str| Ok(Tell::Kannel { url: url.into(), mask: 31 });
    assert_eq!(tell("", "http%3A%2F%2Fh%2F%3Ft%3D%25d%26to%3D%25p"), kannel("http://h/?t=%d&to=%%2B491701234567"));
    assert_eq!(tell("", "https://h/%25Q+%25A"), kannel("https://h/ACME%%20%A"));
    let why = "DLR-URL cannot be named by this account's requests, rejected".to_owned();
    let refused = take_with(&without_override(), &get(&format!("{query}http://h/")));
    assert_eq!(refused.map(|_| ()), Err((403, why)));
    // Whom nobody asks to tell anything, it does not matter.
    let nobody = format!("{}http://h/", query.replace("dlr-mask=31&", ""));
    assert!(take_with(&without_override(), &get(&nobody)).is_ok());
    for url in ["http://", "http://%25p/x", "https://h:99999/"] {
        assert_eq!(tell("", url).map_err(|(status, _)| status), Err(400), "{url}");
    }
}

fn without_override() -> Config {
    let mut config = config("");
    config.accounts[0].callback_override = false;
    config
}

#[test]
fn other_methods_and_paths_are_not_sendsms() {
    let of = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
        take_with(&config(""), &request).map(|_| ())
    };
    assert_eq!(of("PUT", "/cgi-bin/sendsms"), Err((405, "GET or POST, rejected".to_owned())));
    assert_eq!(of("HEAD", "/cgi-bin/sendsms"), Err((405, "GET or POST, rejected".to_owned())));
}
