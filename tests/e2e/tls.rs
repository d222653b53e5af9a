//! TLS to carriers: the right certificate relays, a wrong one is refused before a word is said, and what was lost with a
//! connection is in doubt as it is in clear.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use trunkline::smpp::command::CommandId;
use trunkline::smpp::frame::Frame;
use trunkline::smpp::pdu::BindMode;

use crate::carrier::{Carrier, receipt, resp};
use crate::gateway::{Directory, Gateway, run};
use crate::peer::{PATIENCE, Pdu, Peer, ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;

const IN_DOUBT: u32 = 0xFF;

/// An authority of this test alone.
pub struct Authority {
    pub pem: String,
    pub issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// What a server shows that has these names.
    pub fn certify(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }
}

/// Speaks TLS for a carrier that does not. What the gateway said is kept as the carrier was to see it.
struct Terminator {
    address: SocketAddr,
    listener: TcpListener,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Terminator {
    fn before(carrier: SocketAddr, config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, ours) = (listener.local_addr().unwrap(), listener.try_clone().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&heard);
        thread::spawn(move || {
            while let Ok((outer, _)) = ours.accept() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (tls, heard) = (Arc::new(Mutex::new(tls)), Arc::clone(&theirs));
                let inner = TcpStream::connect(carrier).unwrap();
                let (outer_too, inner_too, tls_too) =
                    (outer.try_clone().unwrap(), inner.try_clone().unwrap(), Arc::clone(&tls));
                thread::spawn(move || decrypt(&outer, &inner, &tls, &heard));
                thread::spawn(move || encrypt(&inner_too, &outer_too, &tls_too));
            }
        });
        Self { address, listener, heard }
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        // Wakes the accepting thread.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
    }
}

fn decrypt(outer: &TcpStream, inner: &TcpStream, tls: &Mutex<ServerConnection>, heard: &Mutex<Vec<u8>>) {
    let mut octets = [0; 16 << 10];
    while let Ok(count @ 1..) = (&*outer).read(&mut octets) {
        let (mut rest, mut plain) = (&octets[..count], Vec::new());
        let mut tls = tls.lock().unwrap();
        let mut is_sound = true;
        while is_sound && !rest.is_empty() {
            tls.read_tls(&mut rest).unwrap();
            is_sound = tls.process_new_packets().is_ok();
            // What is there is read; that more may follow is no error here.
            let _ = tls.reader().read_to_end(&mut plain);
        }
        while tls.wants_write() && tls.write_tls(&mut &*outer).is_ok() {}
        drop(tls);
        heard.lock().unwrap().extend_from_slice(&plain);
        if !is_sound || (&*inner).write_all(&plain).is_err() {
            break;
        }
    }
    let _ = inner.shutdown(Shutdown::Both);
    let _ = outer.shutdown(Shutdown::Both);
}

fn encrypt(inner: &TcpStream, outer: &TcpStream, tls: &Mutex<ServerConnection>) {
    let mut octets = [0; 16 << 10];
    while let Ok(count @ 1..) = (&*inner).read(&mut octets) {
        let mut tls = tls.lock().unwrap();
        tls.writer().write_all(&octets[..count]).unwrap();
        while tls.wants_write() && tls.write_tls(&mut &*outer).is_ok() {}
    }
    let _ = outer.shutdown(Shutdown::Both);
}

/// A gateway, with carriers as written; `acme` bound. Files are named by where they lie.
fn gateway(carriers: &str, to: &str) -> (Gateway, Peer) {
    let gateway = Gateway::start(&format!(
        "accounts: {{ acme: {{ password: secret, shard: 1, window: 5000 }} }}\ncarriers:\n{carriers}\nroutes: [{{ to: {to} }}]\n"
    ));
    let mut acme = gateway.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    (gateway, acme)
}

fn carrier_line(name: &str, connect: &str, ca: &str, more: &str) -> String {
    format!(
        "  {name}: {{ connect: \"{connect}\", system_id: us, password: s3cretly, links: 1, shard: 0, \
         tls: {{ ca: \"{ca}\"{more} }} }}\n"
    )
}

#[test]
fn with_the_right_certificate_submits_and_receipts_pass() {
    let authority = Authority::new("ours");
    let directory = Directory::new();
    let ca = directory.write("ca.pem", &authority.pem).display().to_string();
    for (host, names, more) in [
        ("127.0.0.1", ["127.0.0.1"], ""),
        ("localhost", ["localhost"], ""),
        ("127.0.0.1", ["smsc.example"], ", server_name: smsc.example"),
    ] {
        let carrier = Carrier::listen();
        let front = Terminator::before(carrier.address(), authority.certify(&names, |_| {}));
        let connect = format!("{host}:{}", front.address.port());
        let (_gateway, mut acme) = gateway(&carrier_line("north", &connect, &ca, more), "north");
        let mut link = carrier.accept();
        link.expect_quiet();
        let sequence = acme.request(CommandId::SUBMIT_SM, &with_receipt("over TLS"));
        let submit = link.expect(CommandId::SUBMIT_SM);
        link.send_pdu(&resp(&submit, "t1"));
        let answer = acme.expect_answer(CommandId::SUBMIT_SM_RESP, ROK, sequence);
        link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 1, &receipt("t1", "DELIVRD")));
        assert_eq!(id_of_receipt(&acme.receive()), answer.id());
        link.expect_answer(CommandId::DELIVER_SM_RESP, ROK, 1);
    }
}

#[test]
fn a_wrong_certificate_is_refused_with_its_reason_and_nothing_is_said() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let directory = Directory::new();
    let ca = directory.write("ca.pem", &authority.pem).display().to_string();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let ago = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    };
    let mut fronts = Vec::new();
    let mut carriers = String::new();
    for (name, config) in [
        ("unknown", stranger.certify(&["127.0.0.1"], |_| {})),
        ("misnamed", authority.certify(&["smsc.example"], |_| {})),
        ("expired", authority.certify(&["127.0.0.1"], ago)),
    ] {
        let front = Terminator::before(nobody.local_addr().unwrap(), config);
        carriers += &carrier_line(name, &front.address.to_string(), &ca, "");
        fronts.push(front);
    }
    // A carrier that speaks no TLS at all.
    let clear = Carrier::listen();
    carriers += &carrier_line("clear", &clear.address().to_string(), &ca, "");
    thread::spawn(move || {
        let (mut stream, _) = TcpListener::accept(&clear.listener).unwrap();
        let _ = stream.write_all(b"220 smsc.example ESMTP\r\n");
        let _ = stream.read(&mut [0; 4096]);
    });
    let (gateway, mut acme) = gateway(&carriers, "[unknown, misnamed, expired, clear]");
    for (name, why) in [
        ("unknown", "UnknownIssuer"),
        ("misnamed", "certificate not valid for name \"127.0.0.1\""),
        ("expired", "certificate expired"),
        ("clear", "corrupt message"),
    ] {
        let line = wait_for_line(&gateway, &format!("dial failed carrier=\"{name}\" link=0"));
        assert!(line.contains(" WARN ") && line.contains("cannot agree on TLS with 127.0.0.1:"), "{line}");
        assert!(line.contains(why), "{line}");
    }
    for front in &fronts {
        assert_eq!(*front.heard.lock().unwrap(), b"", "not even a bind was sent");
    }
    acme.refused(&plain("nowhere to go"), 0x08);
    assert!(!gateway.log().contains("s3cretly"));
}

#[test]
fn a_ca_that_cannot_be_read_is_told_at_the_start_and_by_check() {
    let directory = Directory::new();
    for (file, text, why) in [
        ("absent.pem", None, "No such file"),
        ("empty.pem", Some("# nothing\n"), "holds no certificate in PEM"),
        ("cut.pem", Some("-----BEGIN CERTIFICATE-----\nMIIB\n"), "is not sound PEM"),
        ("bad.pem", Some("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"), "holds a bad certificate"),
    ] {
        if let Some(text) = text {
            directory.write(file, text);
        }
        let yaml = "carriers:\n".to_owned() + &carrier_line("north", "127.0.0.1:1", file, "");
        let path = directory.write("trunkline.yaml", &yaml);
        for command in ["check", "serve"] {
            let (code, _, error) = run(&[command, "--config", path.to_str().unwrap()]);
            assert_eq!(code, 78, "{error}");
            assert!(
                error.contains("carriers.north.tls.ca: ") && error.contains(file) && error.contains(why),
                "{error}"
            );
        }
    }
}

/// A submit of 30,000 octets, with its number in its text.
fn large(number: u32) -> Vec<u8> {
    let mut body = plain("");
    body.extend_from_slice(&[0x04, 0x24]);
    body.extend_from_slice(&30_000_u16.to_be_bytes());
    body.extend_from_slice(format!("#{number:06}#").repeat(3_750).as_bytes());
    body
}

fn number_of(body: &[u8]) -> u32 {
    let tail = &body[body.len() - 7..body.len() - 1];
    std::str::from_utf8(tail).unwrap().parse().unwrap()
}

/// Submits all of these without waiting for answers.
fn submit_all(acme: &Peer, numbers: std::ops::Range<u32>) -> thread::JoinHandle<()> {
    let mut stream = acme.stream.try_clone().unwrap();
    thread::spawn(move || {
        for number in numbers {
            stream.write_all(&Pdu::new(CommandId::SUBMIT_SM, ROK, number + 1, &large(number)).octets()).unwrap();
        }
    })
}

#[test]
fn a_burst_that_the_carrier_does_not_read_at_once_arrives_whole() {
    const COUNT: u32 = 600;
    let authority = Authority::new("ours");
    let directory = Directory::new();
    let ca = directory.write("ca.pem", &authority.pem).display().to_string();
    let carrier = Carrier::listen();
    let front = Terminator::before(carrier.address(), authority.certify(&["127.0.0.1"], |_| {}));
    let line = carrier_line("north", &front.address.to_string(), &ca, "").replace("links: 1", "links: 1, window: 5000");
    let (gateway, mut acme) = gateway(&line, "north");
    let mut link = carrier.accept();
    link.expect_quiet();
    let sending = submit_all(&acme, 0..COUNT);
    // All of it lies in the gateway before the carrier reads on: far more than sockets hold.
    gateway.wait_for_metric("trunkline_carrier_submits_total{carrier=\"north\"}", |sent| sent == f64::from(COUNT));
    for number in 0..COUNT {
        let submit = link.expect(CommandId::SUBMIT_SM);
        assert_eq!(submit.body, large(number));
        link.send_pdu(&resp(&submit, &format!("b{number}")));
    }
    for _ in 0..COUNT {
        assert_eq!(acme.expect(CommandId::SUBMIT_SM_RESP).status, ROK);
    }
    sending.join().unwrap();
    link.expect_quiet();
}

/// What TLS was handed is counted as written: no submit of which a word may have left goes anywhere else.
#[test]
fn what_may_have_left_when_the_connection_ends_is_in_doubt_and_the_rest_goes_elsewhere_once() {
    // 45 MB: more than the sockets on the way hold when they have grown as long as Linux lets them.
    const COUNT: u32 = 1_500;
    let authority = Authority::new("ours");
    let directory = Directory::new();
    let ca = directory.write("ca.pem", &authority.pem).display().to_string();
    let (north, south) = (Carrier::listen(), Carrier::listen().run());
    let front = Terminator::before(north.address(), authority.certify(&["127.0.0.1"], |_| {}));
    let carriers = carrier_line("north", &front.address.to_string(), &ca, "")
        .replace("links: 1", "links: 1, window: 5000")
        + &format!(
            "  south: {{ connect: \"{}\", system_id: us, password: secret, links: 1, window: 5000 }}\n",
            south.address
        );
    let (gateway, mut acme) = gateway(&carriers, "[north, south]");
    let mut link = north.accept();
    link.expect_quiet();
    let sending = submit_all(&acme, 0..COUNT);
    gateway.wait_for_metric("trunkline_carrier_submits_total{carrier=\"north\"}", |sent| sent == f64::from(COUNT));
    gateway.wait_for_metric("trunkline_links_bound{carrier=\"south\"}", |bound| bound == 1.0);
    // The terminator, whose carrier reads nothing, ends both sides.
    link.shutdown();
    let (mut accepted, mut in_doubt) = (0, 0);
    for _ in 0..COUNT {
        match acme.expect(CommandId::SUBMIT_SM_RESP).status {
            ROK => accepted += 1,
            IN_DOUBT => in_doubt += 1,
            other => panic!("{other:x}"),
        }
    }
    sending.join().unwrap();
    let elsewhere: Vec<_> = south.submits().iter().map(|body| number_of(body)).collect();
    assert_eq!((elsewhere.len(), accepted + in_doubt), (accepted, COUNT as usize));
    assert!(accepted > 0 && in_doubt > 0, "{accepted} {in_doubt}");
    let heard = front.heard.lock().unwrap().clone();
    let mut rest = &heard[..];
    while let Ok(Some(frame)) = Frame::cut(rest, 1 << 20) {
        if frame.command == CommandId::SUBMIT_SM {
            assert!(!elsewhere.contains(&number_of(frame.body)), "sent to both");
        }
        rest = &rest[frame.len()..];
    }
}

/// The first line of the log with this in it, once it is there.
fn wait_for_line(gateway: &Gateway, text: &str) -> String {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let log = gateway.log();
        if let Some(line) = log.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        assert!(Instant::now() < give_up, "{text} was never logged");
        thread::park_timeout(Duration::from_millis(10));
    }
}
