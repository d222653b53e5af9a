//! Call detail records as an operator finds them: files that close by themselves with their sums, go on after a restart, and are as
//! private as what they hold.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use trunkline::runtime::cdr_text::CSV_HEADER;
use trunkline::smpp::command::CommandStatus;

use crate::gateway::{Directory, run};
use crate::peer::{PATIENCE, ROK, body, with_receipt};
use crate::receipts::id_of_receipt;
use crate::world::World;

/// What `look` finds within patience.
fn wait_for<T>(patience: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

impl World {
    fn files(&self, end: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.gateway.directory.0.join("cdr")).into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
        paths.sort();
        paths
    }

    /// The fields of every line of closed files, by their names.
    fn closed_lines(&self) -> Vec<BTreeMap<String, String>> {
        let names: Vec<_> = CSV_HEADER.trim_end().split(',').collect();
        let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
        let lines = |text: String| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        let fields = |line: String| {
            names.iter().map(|name| (*name).to_owned()).zip(line.split(',').map(str::to_owned)).collect()
        };
        self.files(".csv").iter().map(text).flat_map(lines).map(fields).collect()
    }
}

#[test]
fn what_was_submitted_is_in_closed_files_with_their_sums_after_a_restart_too() {
    let mut world = World::with("", "cdr: { path: cdr, format: csv, rotate: 1s }");
    let mut acme = world.acme();
    let answer = acme.submit(&with_receipt("billed"));
    assert_eq!((answer.status, id_of_receipt(&acme.receive())), (ROK, answer.id()));
    acme.refused(&body("1000", "9915100000001", b"nowhere", |_| {}), CommandStatus::RINVDSTADR.0);
    let lines_of = |world: &World, event: &str| -> Vec<BTreeMap<String, String>> {
        let is_it = |line: &BTreeMap<String, String>| line["account"] == "acme" && line["event"] == event;
        world.closed_lines().into_iter().filter(is_it).collect()
    };
    let is_closed =
        |world: &World| (lines_of(world, "final").len() == 1 && lines_of(world, "refused").len() == 1).then_some(());
    wait_for(PATIENCE, || is_closed(&world)).expect("closed files with all of it");
    let (accepted, ended) = (lines_of(&world, "accepted"), lines_of(&world, "final"));
    let of = |lines: &[BTreeMap<String, String>], field: &str| lines[0][field].clone();
    assert_eq!((accepted.len(), of(&accepted, "id"), of(&ended, "id")), (1, answer.id(), answer.id()));
    assert_eq!(
        [of(&accepted, "to"), of(&accepted, "carrier"), of(&ended, "state")],
        ["4915100000001", "north", "DELIVRD"]
    );
    let refused = lines_of(&world, "refused");
    assert_eq!(
        [of(&refused, "to"), of(&refused, "reason"), of(&refused, "status")],
        ["9915100000001", "no_route", "11"]
    );
    // A drain leaves nothing in the journal that belongs into a file.
    world.gateway.signal(15);
    assert_eq!(world.gateway.exit_code(PATIENCE), 0, "{}", world.gateway.log());
    let before = world.closed_lines().len();
    // As the packaged unit has it, which is for the store.
    world.gateway.restart_by(|program| {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"umask 077; exec "$0" "$@""#]).arg(program.get_program()).args(program.get_args());
        shell.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    });
    world.other = world.gateway.connect();
    assert_eq!(world.other.bind(trunkline::smpp::pdu::BindMode::Transceiver, "other", "beside").status, ROK);
    world.other.submit_when_up(&with_receipt("again"));
    wait_for(PATIENCE, || (world.closed_lines().len() > before + 1).then_some(())).expect("more closed files");
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for line in world.closed_lines() {
        let (sequence, before) = (line["sequence"].parse().unwrap(), last.entry(line["shard"].clone()).or_default());
        assert_eq!(sequence, *before + 1);
        *before = sequence;
    }
    for path in world.files(".csv") {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let sum = PathBuf::from(format!("{}.sum", path.display()));
        wait_for(PATIENCE, || sum.exists().then_some(())).expect("its sum");
        assert_eq!(fs::metadata(&sum).unwrap().permissions().mode() & 0o777, 0o640);
        let sum = fs::read_to_string(&sum).unwrap();
        let sum: Value = serde_json::from_str(&sum).unwrap();
        let octets = fs::read(&path).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &octets);
        let sha256: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        let lines = octets.iter().filter(|octet| **octet == b'\n').count() - 1;
        assert_eq!((sum["sha256"].as_str(), sum["lines"].as_u64()), (Some(&*sha256), Some(lines as u64)));
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named_at_the_start() {
    let directory = Directory::new();
    let taken = directory.write("taken", "a file");
    let yaml = format!(
        "shards: 1\nstore: {{ path: \"{}\" }}\nsmpp: {{ listen: \"127.0.0.1:0\" }}\nadmin: {{ listen: \"127.0.0.1:0\" }}\n\
         cdr: {{ path: \"{}\" }}\n",
        directory.0.join("store").display(),
        taken.display()
    );
    let file = directory.write("trunkline.yaml", &yaml);
    let (code, _, problem) = run(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 74, "{problem}");
    assert!(problem.contains("call detail records") && problem.contains(taken.to_str().unwrap()), "{problem}");
}
