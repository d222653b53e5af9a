//! The examples with curl do what the documentation says of them: those of README.md against `trunkline demo --serve`, those of
//! docs/http.md against the usual stage.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver as Channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gateway::{command, free_address};
use crate::peer::PATIENCE;
use crate::world::World;

const README: &str = include_str!("../../README.md");
const DOCS: &str = include_str!("../../docs/http.md");
/// Where the documentation has the gateway.
const SHOWN: &str = "127.0.0.1:8080";

/// A command, and the answer that is shown behind it.
struct Example {
    curl: String,
    answer: Option<String>,
}

/// What a shell makes of it, and the status.
fn run(curl: &str) -> (String, u16) {
    let line = curl.replacen("curl ", "curl -sS -w '\\n%{http_code}' ", 1);
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{curl}: {}", String::from_utf8_lossy(&output.stderr));
    let (body, status) = said.rsplit_once('\n').unwrap();
    (body.to_owned(), status.parse().unwrap())
}

/// `demo --serve`, and the lines that it prints.
struct Demo {
    child: Child,
    lines: Channel<String>,
}

impl Demo {
    fn start(http: SocketAddr) -> Self {
        let (smpp, http) = (free_address().to_string(), http.to_string());
        let mut demo = command(&["demo", "--serve", "--smpp", &smpp, "--http", &http]);
        let mut child = demo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| told.send(line).is_ok()));
        let demo = Self { child, lines };
        demo.wait_for("curl -u demo:demo");
        demo
    }

    fn wait_for(&self, beginning: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{beginning:?} was never printed"));
            if line.starts_with(beginning) {
                return line;
            }
        }
    }
}

impl Drop for Demo {
    /// Asked to end, for it has a gateway to end too.
    fn drop(&mut self) {
        let asked = Command::new("kill").args(["-15", &self.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|asked| asked.success()) || thread::panicking());
        let ended = self.child.wait();
        assert!(ended.is_ok_and(|ended| ended.success()) || thread::panicking(), "the demonstration failed");
    }
}

#[test]
fn the_readmes_examples_do_what_they_say_and_the_receipt_comes_to_the_callback() {
    let section = README.split("\n## HTTP\n").nth(1).unwrap();
    let block = section.split("```\n").nth(1).unwrap();
    let mut examples: Vec<Example> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(shown) => examples.push(Example { curl: shown.to_owned(), answer: None }),
            None => examples.last_mut().unwrap().answer = Some(line.to_owned()),
        }
    }
    let demo = examples.remove(0);
    assert_eq!(demo.curl, "target/release/trunkline demo --serve");
    assert_eq!(examples.len(), 3);

    let http = free_address();
    let demo = Demo::start(http);
    let (mut shown_id, mut id) = (String::new(), String::new());
    for Example { curl, answer } in &examples {
        let here =
            curl.replace(SHOWN, &http.to_string()).replace(&format!("messages/{shown_id}"), &format!("messages/{id}"));
        let (said, status) = run(&here);
        assert_eq!(status, if curl.contains("/cgi-bin/sendsms") { 202 } else { 200 }, "{curl}: {said}");
        match answer {
            Some(shown) if shown.starts_with('{') => {
                let (said, shown): (Value, Value) = (read(&said), read(shown));
                assert!(is_like(&said, &shown), "{curl}: {said}");
                (shown_id, id) = (text(&shown["id"]), text(&said["id"]));
            }
            Some(shown) => assert_eq!(&said, shown, "{curl}"),
            None => assert_eq!(text(&read(&said)["id"]), id, "{curl}"),
        }
    }
    let call = demo.wait_for("callback: POST / ");
    let told = read(call.strip_prefix("callback: POST / ").unwrap());
    assert_eq!((text(&told["type"]), text(&told["data"]["id"])), ("receipt".to_owned(), id));
    assert_eq!(told["data"]["state"], "delivered");
}

/// What stands in a block of this language at the beginning of `text`, perhaps behind blank lines.
fn block<'a>(text: &'a str, language: &str) -> Option<&'a str> {
    text.trim_start().strip_prefix("```")?.strip_prefix(language)?.strip_prefix('\n')?.split("```").next()
}

#[test]
fn the_examples_for_customers_are_answered_as_shown() {
    let http = free_address();
    let mut world = World::with("", &format!("http: {{ listen: \"{http}\" }}"));
    let mut id = String::new();
    let mut answered = 0;
    for behind in DOCS.split("```sh\n").skip(1) {
        let (curl, behind) = behind.split_once("```\n").unwrap();
        let Some(shown) = block(behind, "json").map(read) else { continue };
        let here = curl.replace(SHOWN, &http.to_string()).replace("acme:hunter2", "acme:secret");
        let here = here.replace("messages/00126f5ec21aa4dc", &format!("messages/{id}"));
        let give_up = Instant::now() + PATIENCE;
        loop {
            let (said, status) = run(&here);
            let said = read(&said);
            let expected = shown["status"].as_u64().unwrap_or(200);
            assert_eq!(u64::from(status), expected, "{curl}: {said}");
            if is_like(&said, &shown) {
                id = if id.is_empty() { text(&said["id"]) } else { id };
                break;
            }
            // A receipt may still be under way.
            assert!(curl.contains("messages/") && Instant::now() < give_up, "{curl}: {said}, not {shown}");
            thread::park_timeout(Duration::from_millis(10));
        }
        answered += 1;
    }
    assert_eq!(answered, 6);
    world.is_well();
}

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The same but for ids and times, which are others each time.
fn is_like(said: &Value, shown: &Value) -> bool {
    match (said, shown) {
        (Value::Object(said), Value::Object(shown)) => {
            said.len() == shown.len()
                && shown.iter().all(|(name, shown)| said.get(name).is_some_and(|said| is_like(said, shown)))
        }
        (Value::Array(said), Value::Array(shown)) => {
            said.len() == shown.len() && said.iter().zip(shown).all(|(said, shown)| is_like(said, shown))
        }
        (Value::String(said), Value::String(shown)) => {
            said == shown || shape(said) == shape(shown) && shape(said) != Shape::Text
        }
        _ => said == shown,
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Shape {
    Id,
    Time,
    Text,
}

fn shape(text: &str) -> Shape {
    let is_time = || text.len() == 20 && text.starts_with("20") && text.ends_with('Z') && text.as_bytes()[10] == b'T';
    match text.len() {
        16 if text.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f')) => Shape::Id,
        _ if is_time() => Shape::Time,
        _ => Shape::Text,
    }
}
