//! HTTPS: the same, behind a handshake.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned, version};

use super::Stage;
use super::client::{Client, get, submit, submit_with};
use crate::peer::PATIENCE;
use crate::tls::Authority;
use crate::tls_esme::{Secured, issue};

type TlsClient = Client<StreamOwned<ClientConnection, TcpStream>>;

fn connect(secured: &Secured, config: Arc<ClientConfig>) -> TlsClient {
    let stream = TcpStream::connect(secured.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    Client::within(StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream))
}

#[test]
fn requests_are_served_over_tls_and_http_1_1_is_agreed_on() {
    let secured = Secured::new();
    let mut stage = Stage::with("tls: required", &secured.yaml(false), "");
    for version in [&version::TLS12, &version::TLS13] {
        for protocols in [&[][..], &["http/1.1"], &["h2", "http/1.1"]] {
            let mut config = Arc::unwrap_or_clone(secured.client(None, &[version]));
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
            let mut client = connect(&secured, Arc::new(config));
            client.send(&[submit("over TLS"), submit("and ahead"), get("")].concat());
            assert_eq!([(); 3].map(|()| client.answer().status), [200; 3], "{protocols:?}");
            let agreed = client.stream.conn.alpn_protocol();
            assert_eq!(agreed, (!protocols.is_empty()).then_some(&b"http/1.1"[..]));
            client.send(b"GET / HTTP/1.1\n");
            client.expect_refusal(400);
        }
    }
    let mut h2 = Arc::unwrap_or_clone(secured.client(None, rustls::ALL_VERSIONS));
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = connect(&secured, Arc::new(h2));
    client.send(&get(""));
    assert!(client.next_answer().is_none(), "it speaks no HTTP/2");
    let mut in_clear = stage.connect();
    in_clear.send(&submit("in clear"));
    assert_eq!(in_clear.answer().status, 403);
    stage.world.is_well();
}

#[test]
fn a_client_without_a_certificate_of_the_authority_is_let_go_and_one_with_another_name_forbidden() {
    let secured = Secured::new();
    let acme = "client_certificate: [sms.acme.example]";
    let mut stage = Stage::with(acme, &secured.yaml(true), "");
    let ours = issue(&secured.authority, &["sms.acme.example"]);
    let another = issue(&secured.authority, &["another.example"]);
    let strangers = issue(&Authority::new("another"), &["sms.acme.example"]);
    for identity in [None, Some(&strangers)] {
        let mut client = connect(&secured, secured.client(identity, rustls::ALL_VERSIONS));
        client.send(&submit("a stranger's"));
        assert!(client.next_answer().is_none());
    }
    for (identity, expected) in [(&ours, 200), (&another, 403)] {
        let mut client = connect(&secured, secured.client(Some(identity), rustls::ALL_VERSIONS));
        client.send(&submit("certified"));
        assert_eq!(client.answer().status, expected);
    }
    stage.wait_for_sum("trunkline_tls_handshakes_failed_total", "", 2.0);
    assert_eq!(stage.sent(), ["certified"]);
    stage.world.is_well();
}

#[test]
fn what_is_no_handshake_ends_alone_and_in_time() {
    let secured = Secured::new();
    let mut stage = Stage::with("", &format!("head: 1s, {}", secured.yaml(false)), "");
    let mut kept = connect(&secured, secured.client(None, rustls::ALL_VERSIONS));
    kept.send(&get(""));
    assert_eq!(kept.answer().status, 200);
    for greeting in [&get("")[..], b"", b"\x16\x03\x01\x02\0\x01\0", &[0xFF; 4000]] {
        let mut stream = TcpStream::connect(secured.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(greeting).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(said.is_empty() || said[0] == 21, "an alert at most: {said:x?}");
    }
    stage.wait_for_sum("trunkline_tls_handshakes_failed_total", "", 4.0);
    let headers = super::client::ACME;
    kept.send(&submit_with(headers, "still here"));
    assert_eq!(kept.answer().status, 200);
    stage.is_well();
}

#[test]
fn files_that_cannot_be_used_are_named_by_their_key() {
    let secured = Secured::new();
    let yaml = secured.yaml(true).replace("key.pem", "cert.pem").replace("ca.pem", "absent.pem");
    let file = crate::gateway::Directory::new();
    let path = file.write(
        "trunkline.yaml",
        &format!("http: {{ {yaml} }}\nstore: {{ path: store }}\naccounts: {{ a: {{ password: p }} }}\nroutes: []\n"),
    );
    let (code, _, error) = crate::gateway::run(&["serve", "--config", path.to_str().unwrap()]);
    assert_eq!(code, 78, "{error}");
    assert!(error.contains("http.tls.key: ") && error.contains("http.tls.client_ca: "), "{error}");
}
