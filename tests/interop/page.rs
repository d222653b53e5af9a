//! The status page in Debian's Chromium, driven by npm's playwright-core: its numbers move, a carrier that stops turns red, a phone has
//! room for it, and it has nothing to complain of. Its pictures are left in the build's directory, to be looked at.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use crate::gateway::{Gateway, http};
use crate::peer::PATIENCE;
use crate::peers::{self, script, skipped};
use crate::processes::{Load, Smsc};

/// A browser that tells what it sees.
struct Browser {
    child: Child,
    told: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// `None` where there is none.
    fn start(gateway: &Gateway, journey: &str) -> Option<Self> {
        let mut program = match peers::has("/usr/bin/chromium").and_then(|()| peers::playwright()) {
            Ok(program) => program,
            Err(why) => {
                skipped(&why);
                return None;
            }
        };
        let url = format!("http://{}/", gateway.admin);
        program.arg(script("page.js")).arg(url).arg(peers::directory("page")).arg(journey);
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { child, told })
    }

    /// What it tells next, which begins so.
    fn tells(&mut self, what: &str) -> String {
        let line = self.told.next().map(Result::unwrap);
        let Some(rest) = line.as_ref().and_then(|line| line.strip_prefix(what)) else {
            let mut errors = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("{what:?} was to come, not {line:?}\n{errors}");
        };
        println!("{what}{rest}");
        rest.trim().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs Chromium, fetches foreign software: just interop"]
fn the_numbers_move_and_a_stopped_carrier_turns_red() {
    let (north, south) = (Smsc::start(&["--receipts", "0..200ms"]), Smsc::start(&[]));
    let gateway = Gateway::start(&format!(
        r#"
accounts: {{ acme: {{ password: secret, shard: 1, rate: 1000 }}, idle: {{ password: secret }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret, links: 2, shard: 0 }}
  south: {{ connect: "{}", system_id: us, password: secret, links: 2, shard: 1 }}
  '<b class="markup">': {{ connect: "{}", system_id: us, password: secret, links: 1 }}
routes: [{{ to: [north, south] }}]
"#,
        north.address, south.address, north.address
    ));
    let Some(mut browser) = Browser::start(&gateway, "look") else { return };
    let flags = "--system-id acme --password secret --binds 2 --rate 50 --duration 50s";
    let ledger = gateway.directory.0.join("load.ledger");
    let load = Load::start(gateway.smpp, &ledger, flags);
    browser.tells("moving ");
    assert!(browser.tells("named ").starts_with("<b class=\"markup\">"));
    browser.tells("stop it");
    drop(south);
    let red = browser.tells("red ");
    assert!(red.contains("Carrier south: no link is bound: peer closed"), "{red}");
    assert!(!red.starts_with("rgba(0, 0, 0, 0)"), "{red}");
    assert_eq!(browser.tells("complaints "), "[]");
    browser.tells("end it");
    drop((load, gateway));
    assert!(browser.tells("lost ").starts_with("No answer since "));
    assert!(browser.child.wait().unwrap().success());
}

#[test]
#[ignore = "needs Chromium, fetches foreign software: just interop"]
fn the_page_asks_for_the_token_and_keeps_it_while_its_tab_is_open() {
    let gateway = Gateway::start("accounts: { acme: { password: secret } }");
    let file = gateway.directory.0.join("trunkline.yaml");
    let (open, closed) = ("admin: { listen:", "admin: { token: right, listen:");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(open, closed)).unwrap();
    gateway.signal(1);
    let give_up = Instant::now() + PATIENCE;
    while !http(gateway.admin, "/status").is_some_and(|answer| answer.starts_with("HTTP/1.1 401 ")) {
        assert!(Instant::now() < give_up, "{}", gateway.log());
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let Some(mut browser) = Browser::start(&gateway, "door") else { return };
    browser.tells("let in");
    assert!(browser.child.wait().unwrap().success());
}
