//! ESMEs over TLS: what they send survives the move to their account's home, accounts may ask for TLS and for a certificate, and
//! whatever is no handshake ends alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};
use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;

use crate::gateway::{Directory, free_address, run};
use crate::peer::{PATIENCE, Pdu, Peer, ROK, bind_octets, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::tls::Authority;
use crate::world::World;

const RBINDFAIL: u32 = 0x0D;
const HANDSHAKES_FAILED: &str = "trunkline_tls_handshakes_failed_total";

pub type TlsPeer = Peer<StreamOwned<ClientConnection, TcpStream>>;

/// A certificate and its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

pub fn issue(authority: &Authority, names: &[&str]) -> Identity {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority.issuer).unwrap();
    Identity { certificate: certificate.pem(), key: key.serialize_pem() }
}

/// A gateway's TLS listener, and those who trust it.
pub struct Secured {
    pub authority: Authority,
    pub address: SocketAddr,
    directory: Directory,
}

impl Secured {
    pub fn new() -> Self {
        let (authority, directory) = (Authority::new("ours"), Directory::new());
        let Identity { certificate, key } = issue(&authority, &["localhost"]);
        directory.write("cert.pem", &certificate);
        directory.write("key.pem", &key);
        directory.write("ca.pem", &authority.pem);
        Self { authority, address: free_address(), directory }
    }

    /// Another authority's certificate takes the place of the one shown.
    pub fn renew(&mut self) {
        self.authority = Authority::new("others");
        let Identity { certificate, key } = issue(&self.authority, &["localhost"]);
        self.directory.write("cert.pem", &certificate);
        self.directory.write("key.pem", &key);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.0.join(name)
    }

    /// The `tls` key of the configuration.
    pub fn yaml(&self, client_ca: bool) -> String {
        let [certificate, key, ca] =
            ["cert.pem", "key.pem", "ca.pem"].map(|name| self.path(name).display().to_string());
        let ca = if client_ca { format!(", client_ca: \"{ca}\"") } else { String::new() };
        format!("tls: {{ listen: \"{}\", certificate: \"{certificate}\", key: \"{key}\"{ca} }}", self.address)
    }

    /// One who shows this certificate, if any.
    pub fn client(
        &self,
        shows: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots);
        Arc::new(match shows {
            None => config.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        })
    }

    pub fn connect(&self) -> TlsPeer {
        over(TcpStream::connect(self.address).unwrap(), &self.client(None, rustls::ALL_VERSIONS))
    }

    fn connect_as(&self, identity: &Identity) -> TlsPeer {
        over(TcpStream::connect(self.address).unwrap(), &self.client(Some(identity), rustls::ALL_VERSIONS))
    }
}

pub fn over(stream: TcpStream, config: &Arc<ClientConfig>) -> TlsPeer {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = Peer::over(stream).stream;
    Peer::within(StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream))
}

/// The peer was let go: by a close, or by an alert that says why.
fn is_let_go(mut peer: TlsPeer) -> bool {
    // A write may go out before the alert is read.
    let _ = peer.stream.write_all(&bind_octets(BindMode::Transceiver, "acme", "secret", 1));
    !matches!(peer.stream.read(&mut [0; 64]), Ok(1..))
}

/// It is closed, after an alert at most, which is no SMPP.
fn expect_no_smpp(stranger: &mut Peer) {
    let mut said = Vec::new();
    let _ = stranger.stream.read_to_end(&mut said);
    assert!(said.is_empty() || said[0] == 21, "{said:x?}");
}

/// Handshakes that failed on both shards, once they are so many.
fn failed_handshakes(world: &World, expected: f64) -> f64 {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let of_shard =
            |shard: u8| world.gateway.wait_for_metric(&format!("{HANDSHAKES_FAILED}{{shard=\"{shard}\"}}"), |_| true);
        let failed = of_shard(0) + of_shard(1);
        if failed >= expected || Instant::now() > give_up {
            return failed;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn a_bind_over_tls_and_what_was_sent_behind_it_arrive_whole_at_home() {
    let secured = Secured::new();
    let mut world = World::with("", &format!("smpp: {{ LISTEN, {} }}", secured.yaml(false)));
    // Two of each: connections are dealt in turn, so one of them moves to another shard and one does not.
    for version in [&version::TLS12, &version::TLS12, &version::TLS13, &version::TLS13] {
        let config = secured.client(None, &[version]);
        let mut acme = over(TcpStream::connect(secured.address).unwrap(), &config);
        let mut octets = bind_octets(BindMode::Transceiver, "acme", "secret", 1);
        for number in 2..400 {
            octets.extend(Pdu::new(CommandId::SUBMIT_SM, ROK, number, &plain("behind the bind")).octets());
        }
        // Records end in the middle of PDUs.
        for record in octets.chunks(1_000) {
            acme.stream.write_all(record).unwrap();
        }
        acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
        let mut answered: Vec<_> = (2..400).map(|_| acme.expect(CommandId::SUBMIT_SM_RESP)).collect();
        assert!(answered.iter().all(|answer| answer.status == ROK), "{answered:x?}");
        answered.sort_by_key(|answer| answer.sequence);
        assert_eq!(answered.iter().map(|answer| answer.sequence).collect::<Vec<_>>(), (2..400).collect::<Vec<_>>());
        let answer = acme.submit(&with_receipt("and a receipt"));
        assert_eq!(id_of_receipt(&acme.receive()), answer.id());
        let sequence = acme.request(CommandId::UNBIND, b"");
        acme.expect_answer(CommandId::UNBIND_RESP, ROK, sequence);
        // Said goodbye to, as TLS has it.
        acme.expect_close();
    }
    world.is_well();
}

#[test]
fn an_account_that_requires_tls_is_refused_in_clear() {
    let secured = Secured::new();
    let mut world = World::with("tls: required", &format!("smpp: {{ LISTEN, {} }}", secured.yaml(false)));
    let mut in_clear = world.connect();
    assert_eq!(in_clear.bind(BindMode::Transceiver, "acme", "secret").status, RBINDFAIL);
    in_clear.expect_close();
    let mut acme = secured.connect();
    assert_eq!(acme.bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    let mut other = secured.connect();
    assert_eq!(other.bind(BindMode::Transceiver, "other", "beside").status, ROK);
    let mut wrong = secured.connect();
    let started = Instant::now();
    assert_eq!(wrong.bind(BindMode::Transceiver, "acme", "wrong").status, 0x0E);
    assert!(started.elapsed() >= Duration::from_millis(500));
    wrong.expect_close();
    world.is_well();
}

#[test]
fn a_certificate_is_verified_at_the_handshake_and_its_name_at_the_bind() {
    let secured = Secured::new();
    let accounts = r#"
  named: { password: secret, client_certificate: [sms.named.example, "*.named.example"] }"#;
    let smpp = format!("smpp: {{ LISTEN, {} }}", secured.yaml(true));
    let mut world = World::with_accounts("", accounts, &smpp);
    let ours = |names: &[&str]| issue(&secured.authority, names);
    let stranger = issue(&Authority::new("another"), &["sms.named.example"]);
    assert!(is_let_go(secured.connect()), "without a certificate");
    assert!(is_let_go(secured.connect_as(&stranger)), "with one of another authority");
    assert_eq!(failed_handshakes(&world, 2.0), 2.0);
    for (identity, system_id, expected) in [
        (ours(&["sms.named.example"]), "named", ROK),
        (ours(&["other.example", "SMS.named.example"]), "named", ROK),
        (ours(&["*.named.example"]), "named", ROK),
        // A wildcard that the configuration does not write stands for nothing.
        (ours(&["*.example"]), "named", RBINDFAIL),
        (ours(&["other.example"]), "named", RBINDFAIL),
        (ours(&[]), "named", RBINDFAIL),
        (ours(&[]), "acme", ROK),
    ] {
        let mut esme = secured.connect_as(&identity);
        assert_eq!(esme.bind(BindMode::Transmitter, system_id, "secret").status, expected, "{}", identity.certificate);
    }
    let mut in_clear = world.connect();
    assert_eq!(in_clear.bind(BindMode::Transmitter, "named", "secret").status, RBINDFAIL);
    world.is_well();
}

#[test]
fn what_is_no_handshake_ends_alone_and_is_counted() {
    let secured = Secured::new();
    let yaml = format!("smpp: {{ LISTEN, session_init: 1s, {} }}", secured.yaml(false));
    let mut world = World::with("", &yaml);
    let greetings: [&[u8]; 4] = [
        &bind_octets(BindMode::Transceiver, "acme", "secret", 1),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        &[0xFF; 4_000],
    ];
    for greeting in greetings {
        let mut stranger = Peer::connect(secured.address);
        stranger.send(greeting);
        expect_no_smpp(&mut stranger);
    }
    let started = Instant::now();
    let silent = Peer::connect(secured.address);
    let mut slow = Peer::connect(secured.address);
    slow.send(b"\x16\x03\x01\x02\x00\x01\x00");
    for mut stranger in [silent, slow] {
        expect_no_smpp(&mut stranger);
    }
    assert!(started.elapsed() >= Duration::from_millis(900) && started.elapsed() < PATIENCE);
    assert_eq!(failed_handshakes(&world, 6.0), 6.0);
    assert!(world.gateway.log().contains("TLS handshake failed"));
    // Having shaken hands and not bound is no failure, and ends in the same time.
    let mut idle = secured.connect();
    idle.expect_quiet();
    idle.expect_close();
    assert_eq!(failed_handshakes(&world, 6.0), 6.0);
    world.is_well();
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start_and_by_check() {
    let secured = Secured::new();
    let directory = &secured.directory;
    let stranger = issue(&Authority::new("another"), &["localhost"]);
    directory.write("other-key.pem", &stranger.key);
    directory.write("empty.pem", "# nothing\n");
    directory.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let yaml = secured.yaml(true);
    for (from, to, key, why) in [
        ("cert.pem", "absent.pem", "certificate", "No such file"),
        ("cert.pem", "empty.pem", "certificate", "holds no certificate in PEM"),
        ("cert.pem", "cut.pem", "certificate", "is not sound PEM"),
        ("key.pem", "empty.pem", "key", "holds no private key in PEM"),
        ("key.pem", "other-key.pem", "key", "is not the key of the first certificate in"),
        ("ca.pem", "empty.pem", "client_ca", "holds no certificate in PEM"),
    ] {
        let text = format!("smpp: {{ {} }}\n", yaml.replace(from, to));
        let path = directory.write("trunkline.yaml", &text);
        for command in ["check", "serve"] {
            let (code, _, error) = run(&[command, "--config", path.to_str().unwrap()]);
            assert_eq!(code, 78, "{error}");
            assert!(
                error.contains(&format!("smpp.tls.{key}: ")) && error.contains(to) && error.contains(why),
                "{error}"
            );
        }
    }
    // All of them at once.
    let text = format!("smpp: {{ {} }}\n", yaml.replace("cert.pem", "cut.pem").replace("ca.pem", "empty.pem"));
    let path = directory.write("trunkline.yaml", &text);
    let (_, _, error) = run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(error.lines().count(), 2, "{error}");
}
