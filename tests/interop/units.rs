//! The units, held against systemd's own checks of them, and a socket handed over by systemd's own tool.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use trunkline::smpp::pdu::BindMode;

use crate::gateway::{Directory, Gateway};
use crate::peer::{PATIENCE, ROK};

/// What `systemd-analyze` says of our units, in which the program stands where it was built; `None` where there is none.
fn analyze(args: &[&str]) -> Option<(bool, String)> {
    let directory = Directory::new();
    for name in ["trunkline.service", "trunkline.socket"] {
        let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)).unwrap();
        fs::write(directory.0.join(name), unit.replace("/usr/bin/trunkline", env!("CARGO_BIN_EXE_trunkline"))).unwrap();
    }
    let output = Command::new("systemd-analyze").args(args).current_dir(&directory.0).output();
    let Ok(output) = output else {
        println!("skipped: no systemd-analyze here");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
#[ignore = "foreign tools: just interop"]
fn the_units_verify_without_a_word() {
    let Some((is_fine, said)) = analyze(&["verify", "--man=no", "./trunkline.service", "./trunkline.socket"]) else {
        return;
    };
    // What it says of the units of the host is the host's.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("trunkline")).collect();
    assert!(is_fine && ours.is_empty(), "{said}");
}

#[test]
#[ignore = "foreign tools: just interop"]
fn the_service_is_exposed_to_at_most_1_5() {
    let args = ["security", "--no-pager", "--offline=true", "--threshold=15", "./trunkline.service"];
    let Some((is_fine, said)) = analyze(&args) else { return };
    println!("{}", said.lines().last().unwrap_or_default());
    assert!(is_fine, "{said}");
}

const CONFIG: &str = r#"
accounts: { acme: { password: secret } }
carriers: { north: { connect: "127.0.0.1:1", system_id: us, password: secret } }
routes: [{ to: north }]
"#;

#[test]
#[ignore = "foreign tools: just interop"]
fn systemds_own_tool_hands_a_socket_over_when_somebody_connects() {
    if Command::new("systemd-socket-activate").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: no systemd-socket-activate here");
        return;
    }
    let mut gateway = Gateway::start_by(CONFIG, |program, address| {
        let mut tool = Command::new("systemd-socket-activate");
        tool.args(["--fdname=smpp", "--listen", &address.to_string()])
            .arg(program.get_program())
            .args(program.get_args());
        let tool = tool.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        // The first to connect has it start the program, and waits.
        std::thread::spawn(move || {
            let comes = |_| {
                std::thread::park_timeout(std::time::Duration::from_millis(10));
                std::net::TcpStream::connect(address).is_ok()
            };
            (0..500).any(comes)
        });
        tool
    });
    assert_eq!(gateway.connect().bind(BindMode::Transceiver, "acme", "secret").status, ROK);
    gateway.signal(15);
    assert_eq!(gateway.exit_code(PATIENCE), 0);
}
