//! What goes over the wire, judged by Wireshark's SMPP dissector: everything is SMPP, and nothing is malformed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use trunkline::smpp::command::CommandId;
use trunkline::smpp::pdu::BindMode;
use trunkline::smpp::view::tag;

use crate::carrier::Carrier;
use crate::gateway::Gateway;
use crate::peer::{Pdu, Peer, ROK, bind_octets, body, plain, with_receipt};
use crate::peers::{has, skipped};

const MESSAGES: usize = 100;

/// Captures until it is ended; `None` when this user may not.
fn capture(ports: &[u16], file: &Path) -> Option<Child> {
    let filter: Vec<_> = ports.iter().map(|port| format!("tcp port {port}")).collect();
    let mut child = Command::new("dumpcap")
        .args(["-q", "-i", "lo", "-f", &filter.join(" or "), "-a", "duration:60", "-w"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut told = BufReader::new(child.stderr.take()?).lines();
    // The file is named once the capture runs.
    if told.any(|line| line.is_ok_and(|line| line.starts_with("File:"))) {
        // Somebody has to read the rest, or it would not end.
        std::thread::spawn(move || told.for_each(drop));
        return Some(child);
    }
    let _ = child.wait();
    None
}

/// What tshark prints of the capture under a display filter.
fn dissect(file: &Path, ports: &[u16], filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", filter]);
    for port in ports {
        tshark.args(["-d", &format!("tcp.port=={port},smpp")]);
    }
    if !fields.is_empty() {
        tshark.args(["-T", "fields"]);
        for field in fields {
            tshark.args(["-e", field]);
        }
    }
    let output = tshark.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs tshark: just interop"]
fn wireshark_reads_everything_as_smpp_and_nothing_as_malformed() {
    if let Err(why) = has("tshark").and_then(|()| has("dumpcap")) {
        return skipped(&why);
    }
    let carrier = Carrier::listen().run();
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1 }}, data: {{ password: secret, deliver_as: data_sm }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, shard: 0 }} }}
routes: [{{ when: {{ destination: "49*" }}, to: north }}]
"#,
        carrier.address
    ));
    let (ports, file) = ([gateway.smpp.port(), carrier.address.port()], gateway.directory.0.join("capture.pcapng"));
    let Some(mut capturing) = capture(&ports, &file) else { return skipped("capturing is not permitted") };
    converse(&gateway);
    // The last packets are still on their way to the file.
    std::thread::park_timeout(Duration::from_millis(500));
    let id = capturing.id().to_string();
    assert!(Command::new("kill").args(["-2", &id]).status().unwrap().success());
    assert!(capturing.wait().unwrap().success());
    let malformed = dissect(&file, &ports, "_ws.malformed", &[]);
    assert!(malformed.is_empty(), "{malformed:#?}");
    // The test itself sends an unknown command, which the dissector does not take for SMPP.
    let ours = format!("tcp.len > 0 && !smpp && !tcp.reassembled_in && tcp.dstport != {}", gateway.smpp.port());
    let foreign = dissect(&file, &ports, &ours, &[]);
    assert!(foreign.is_empty(), "{foreign:#?}");
    let commands: Vec<_> = dissect(&file, &ports, "smpp", &["smpp.command_id"]);
    let count = |id: &str| commands.iter().flat_map(|line| line.split(',')).filter(|command| *command == id).count();
    let on_both_sides = 2 * MESSAGES;
    // One more each is refused without reaching the carrier, and one is sent until a link is up.
    assert!(count("0x00000004") > on_both_sides, "submit_sm: {}", count("0x00000004"));
    assert!(count("0x80000004") > on_both_sides, "submit_sm_resp: {}", count("0x80000004"));
    assert_eq!(
        (count("0x00000005"), count("0x80000005")),
        (on_both_sides + 1, on_both_sides + 1),
        "deliver_sm and its answers, and one that goes on as a data_sm"
    );
    let fields = ["smpp.command_status", "smpp.message_id", "smpp.destination_addr", "smpp.error_status_code"];
    let answers = dissect(&file, &ports, "smpp.command_id == 0x80000021", &fields);
    let answers: Vec<Vec<_>> = answers.iter().map(|line| line.split('\t').collect()).collect();
    let [whole, partly, none, mixed] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((whole[0], whole[1].len(), &whole[2..]), ("0x00000000", 16, &["", ""][..]));
    let listed = ["33,friends", "0x0000000b,0x00000044"];
    assert_eq!((partly[0], partly[1].len(), &partly[2..]), ("0x00000000", 16, &listed[..]));
    assert_eq!(none[..], ["0x0000000b", "", "", ""], "a header alone");
    // It reads no body behind an error; those who do find the list there.
    assert_eq!(mixed[0], "0x00000045");
    assert_eq!((count("0x00000103"), count("0x80000103")), (2, 2), "data_sm each way, and their answers");
    for (name, command) in [("bind", "0x80000009"), ("enquire_link", "0x80000015"), ("unbind", "0x80000006")] {
        assert!(count(command) > 0, "{name}");
    }
    assert!(count("0x80000000") > 0, "generic_nack");
}

#[test]
#[ignore = "needs tshark: just interop"]
fn wireshark_reads_what_each_version_is_told() {
    if let Err(why) = has("tshark").and_then(|()| has("dumpcap")) {
        return skipped(&why);
    }
    let (carrier, esme) = (Carrier::listen(), Carrier::listen());
    let gateway = Gateway::start(&format!(
        r#"
accounts:
  acme: {{ password: secret, shard: 1, outbind: {{ connect: "{}", system_id: us, password: ours }} }}
carriers: {{ north: {{ connect: "{}", system_id: us, password: secret, links: 1, shard: 0 }} }}
routes: [{{ to: north }}]
mo: {{ to: acme }}
"#,
        esme.address(),
        carrier.address()
    ));
    let ports = [gateway.smpp.port(), carrier.address().port(), esme.address().port()];
    let file = gateway.directory.0.join("capture.pcapng");
    let Some(mut capturing) = capture(&ports, &file) else { return skipped("capturing is not permitted") };
    let mut link = carrier.accept();
    link.expect_quiet();
    let (tlv, state) = ([&b"0001"[..], b"\0"].concat(), [2]);
    for (at, version) in [0x33, 0x34, 0x50].into_iter().enumerate() {
        let mut acme = gateway.connect();
        acme.bind_as(version, BindMode::Transceiver, "acme", "secret");
        acme.request(CommandId::SUBMIT_SM, &with_receipt("hi"));
        let submit = link.expect(CommandId::SUBMIT_SM);
        link.answer(&submit, ROK, &tlv);
        assert_eq!(acme.expect(CommandId::SUBMIT_SM_RESP).status, ROK);
        let tlvs: [(u16, &[u8]); 2] = [(tag::RECEIPTED_MESSAGE_ID, &tlv), (tag::MESSAGE_STATE, &state)];
        let receipt = body("4915100000001", "1000", b"", |message| (message.esm_class, message.tlvs) = (4, &tlvs));
        if version == 0x50 {
            // It goes, and is called for its receipt.
            link.send_pdu(&Pdu::new(
                CommandId::ALERT_NOTIFICATION,
                ROK,
                70,
                b"\x01\x0149151\0\x03\x001000\0\x04\x22\0\x01\0",
            ));
            acme.expect(CommandId::ALERT_NOTIFICATION);
        }
        if version != 0x50 {
            link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 80 + at as u32, &receipt));
            acme.receive();
            link.expect(CommandId::DELIVER_SM_RESP);
        }
        acme.request(CommandId::UNBIND, b"");
        acme.expect(CommandId::UNBIND_RESP);
        acme.expect_close();
        if version == 0x50 {
            link.send_pdu(&Pdu::new(CommandId::DELIVER_SM, ROK, 90, &receipt));
            let mut called = Peer::over(esme.listener.accept().unwrap().0);
            called.expect(CommandId::OUTBIND);
            called.bind_as(0x50, BindMode::Receiver, "acme", "secret");
            called.receive();
            called.expect_quiet();
        }
    }
    std::thread::park_timeout(Duration::from_millis(500));
    let id = capturing.id().to_string();
    assert!(Command::new("kill").args(["-2", &id]).status().unwrap().success());
    assert!(capturing.wait().unwrap().success());
    let malformed = dissect(&file, &ports, "_ws.malformed", &[]);
    assert!(malformed.is_empty(), "{malformed:#?}");
    let field = |filter: &str, field: &str| dissect(&file, &ports, filter, &[field]).join(" ");
    let to_esmes = format!("tcp.srcport == {}", ports[0]);
    assert_eq!(field(&format!("{to_esmes} && smpp.SC_interface_version"), "smpp.SC_interface_version"), "52 80");
    assert_eq!(field("smpp.congestion_state", "tcp.srcport"), ports[0].to_string());
    assert_eq!(field("smpp.command_id == 0x102", "tcp.srcport"), format!("{} {}", ports[1], ports[0]));
    assert_eq!(field("smpp.command_id == 0x0b", "smpp.system_id"), "us");
    let ids = field(&format!("{to_esmes} && smpp.command_id == 0x80000004"), "smpp.message_id");
    assert_eq!(ids.split(' ').map(str::len).collect::<Vec<_>>(), [8, 16, 16]);
}

/// A little of everything this build says.
fn converse(gateway: &Gateway) {
    for (mode, password) in [(BindMode::Transmitter, "wrong"), (BindMode::Receiver, "secret")] {
        gateway.connect().bind(mode, "acme", password);
    }
    let mut acme = gateway.connect();
    acme.send(&bind_octets(BindMode::Transceiver, "acme", "secret", 1));
    acme.expect_answer(CommandId::BIND_TRANSCEIVER_RESP, ROK, 1);
    acme.submit_when_up(&plain("up"));
    for at in 0..MESSAGES {
        let text = [b'x'; 300];
        let body = match at % 3 {
            0 => with_receipt("plain"),
            1 => body("ACME", "4915100000001", &text, |message| message.registered_delivery = 1),
            _ => body("1000", "4915100000001", b"\x05\x00\x03\x01\x02\x01hi", |message| {
                (message.registered_delivery, message.esm_class) = (1, 0x40);
                message.tlvs = &[(0x1400, b"dlt")];
            }),
        };
        assert_eq!(acme.submit(&body).status, ROK);
        acme.receive();
    }
    acme.refused(&body("1000", "33", b"no route", |_| {}), 0x0B);
    let to = |digits: [&str; 2]| digits.map(|digits| [b"\x01\x01\x01", digits.as_bytes(), b"\0"].concat());
    let multi = |destinations: &[Vec<u8>]| {
        let head = [b"\0\x01\x011000\0", &[destinations.len() as u8][..]].concat();
        [head, destinations.concat(), b"\0\0\0\0\0\0\0\0\0\x02hi".to_vec()].concat()
    };
    let both = to(["4915100000001", "4915100000002"]);
    let [unroutable, other] = to(["33", "34"]);
    let unreached = [unroutable.clone(), b"\x02friends\0".to_vec()];
    for (destinations, status) in [
        (both.to_vec(), ROK),
        ([&both[..], &unreached].concat(), ROK),
        (vec![unroutable, other], 0x0B),
        (unreached.to_vec(), 0x45),
    ] {
        let sequence = acme.request(CommandId::SUBMIT_MULTI, &multi(&destinations));
        acme.expect_answer(CommandId::SUBMIT_MULTI_RESP, status, sequence);
    }
    let mut data = gateway.connect();
    data.bind(BindMode::Transceiver, "data", "secret");
    let sequence = data.request(CommandId::DATA_SM, b"\0\x01\x011000\0\x01\x014915100000001\0\0\x01\0\x04\x24\0\x02hi");
    data.expect_answer(CommandId::DATA_SM_RESP, ROK, sequence);
    let delivery = data.expect(CommandId::DATA_SM);
    data.answer(&delivery, ROK, b"\0");
    data.expect_quiet();
    acme.request(CommandId(0x7777), b"");
    acme.expect(CommandId::GENERIC_NACK);
    acme.expect_quiet();
    acme.request(CommandId::UNBIND, b"");
    acme.expect(CommandId::UNBIND_RESP);
    acme.expect_close();
}
