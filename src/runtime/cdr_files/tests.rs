//! Real files in a directory of the test's own: what a start takes up, what closes them, and what a closed one says of itself.

use std::time::Duration;

use super::*;

/// Removed with the test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trunkline-cdr-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn config(&self) -> Cdr {
        Cdr { path: self.0.clone(), format: CdrFormat::Jsonl, rotate: Duration::from_secs(3_600), size: 1 << 20 }
    }

    fn open(&self) -> CdrFiles {
        CdrFiles::open(&self.config(), 0, 1).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The sequences of all lines, file by file.
    fn sequences(&self) -> Vec<u64> {
        let files = self.names().into_iter().filter(|name| !name.ends_with(".sum"));
        let sequence = |line: &str| -> u64 {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["sequence"].as_u64().unwrap()
        };
        let text = |name: String| text_of(&self.0.join(name));
        files.map(text).flat_map(|text| text.lines().map(sequence).collect::<Vec<_>>()).collect()
    }
}

fn octets_of(path: &Path) -> Vec<u8> {
    let mut octets = Vec::new();
    File::open(path).unwrap().read_to_end(&mut octets).unwrap();
    octets
}

fn text_of(path: &Path) -> String {
    String::from_utf8(octets_of(path)).unwrap()
}

fn lines(first: u64, last: u64) -> Lines {
    let mut lines = Lines::from(first);
    for _ in first..=last {
        let mut octets = Vec::new();
        Line { account: b"acme", ..Line::default() }.write(&mut octets);
        lines.push(&octets);
    }
    lines
}

#[test]
fn a_start_goes_on_with_the_open_file_and_cuts_off_half_a_line() {
    let directory = Directory::new("start");
    let mut files = directory.open();
    assert_eq!(files.last(), 0);
    files.append(&lines(1, 3), 10).unwrap();
    drop(files);
    let name = directory.names().pop().unwrap();
    assert_eq!(name, "cdr-0000-001-00000000000000000001.jsonl.open");
    let mut file = OpenOptions::new().append(true).open(directory.0.join(name)).unwrap();
    file.write_all(b"{\"node\":0,\"shard\":1,\"sequence\":4,\"ti").unwrap();
    let mut files = directory.open();
    assert_eq!(files.last(), 3);
    // What it has is not repeated.
    files.append(&lines(2, 5), 20).unwrap();
    assert_eq!((files.last(), directory.sequences()), (5, vec![1, 2, 3, 4, 5]));
}

#[test]
fn a_line_of_zeros_or_out_of_order_ends_what_counts() {
    let directory = Directory::new("zeros");
    let mut files = directory.open();
    files.append(&lines(1, 3), 10).unwrap();
    let path = directory.0.join(directory.names().pop().unwrap());
    let mut octets = octets_of(&path);
    let second = octets.iter().position(|octet| *octet == b'\n').unwrap() + 1;
    octets[second + 60] = 0;
    File::create(&path).unwrap().write_all(&octets).unwrap();
    assert_eq!(directory.open().last(), 1);
    assert_eq!(directory.sequences(), [1]);
}

#[test]
fn a_file_closes_by_age_and_size_with_its_count_and_checksum() {
    let directory = Directory::new("closes");
    let mut files = CdrFiles::open(&Cdr { size: 200, ..directory.config() }, 0, 1).unwrap();
    files.append(&lines(1, 1), 3_599).unwrap();
    files.append(&Lines::default(), 3_600).unwrap();
    files.append(&lines(2, 9), 3_601).unwrap();
    let name = |span: &str, more: &str| format!("cdr-0000-001-{span}.jsonl{more}");
    let (one, two) = ("00000000000000000001-00000000000000000001", "00000000000000000002-00000000000000000009");
    assert_eq!(directory.names(), [name(one, ""), name(one, ".sum"), name(two, ""), name(two, ".sum")]);
    let octets = octets_of(&directory.0.join(name(two, "")));
    let sum: serde_json::Value = serde_json::from_slice(&octets_of(&directory.0.join(name(two, ".sum")))).unwrap();
    let sha256: String =
        digest::digest(&digest::SHA256, &octets).as_ref().iter().map(|it| format!("{it:02x}")).collect();
    let expected =
        json!({ "file": name(two, ""), "lines": 8, "first": 2, "last": 9, "octets": octets.len(), "sha256": sha256 });
    assert_eq!(sum, expected);
    // The process ended before the newest had its sum; and only names tell how far the lines are.
    fs::remove_file(directory.0.join(name(two, ".sum"))).unwrap();
    assert_eq!(directory.open().last(), 9);
    assert!(directory.names().contains(&name(two, ".sum")));
}

#[test]
fn another_format_begins_another_file() {
    let directory = Directory::new("format");
    directory.open().append(&lines(1, 2), 10).unwrap();
    let config = Cdr { format: CdrFormat::Csv, ..directory.config() };
    let mut files = CdrFiles::open(&config, 0, 1).unwrap();
    files.append(&lines(3, 4), 10).unwrap();
    drop(files);
    let files = CdrFiles::open(&config, 0, 1).unwrap();
    assert_eq!(files.last(), 4);
    let names = directory.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0].ends_with("2.jsonl") && names[2].ends_with("3.csv.open"));
    let csv = text_of(&directory.0.join(&names[2]));
    assert!(csv.starts_with(CSV_HEADER) && csv.lines().count() == 3);
}

#[test]
fn a_file_that_is_removed_is_followed_by_another() {
    let directory = Directory::new("removed");
    let mut files = directory.open();
    files.append(&lines(1, 2), 10).unwrap();
    fs::remove_file(directory.0.join(directory.names().pop().unwrap())).unwrap();
    files.append(&lines(3, 3), 10).unwrap();
    assert_eq!(directory.sequences(), [3]);
}

#[test]
fn files_of_other_shards_and_nodes_are_left_alone() {
    let directory = Directory::new("others");
    directory.open().append(&lines(1, 2), 10).unwrap();
    for (node, shard) in [(0, 0), (1, 1)] {
        assert_eq!(CdrFiles::open(&directory.config(), node, shard).unwrap().last(), 0);
    }
}

#[test]
fn a_sum_that_could_not_be_written_is_written_once_it_can_be() {
    let directory = Directory::new("sum");
    let mut files = directory.open();
    files.append(&lines(1, 2), 10).unwrap();
    // As a full disk would, this keeps the sum from being written.
    let span = "cdr-0000-001-00000000000000000001-00000000000000000002";
    let in_the_way = directory.0.join(format!("{span}.half"));
    fs::create_dir(&in_the_way).unwrap();
    for _ in 0..2 {
        files.append(&lines(3, 3), 3_600).unwrap_err();
    }
    assert_eq!(files.last(), 2);
    fs::remove_dir(&in_the_way).unwrap();
    files.append(&lines(3, 3), 3_600).unwrap();
    assert_eq!((files.last(), directory.sequences()), (3, vec![1, 2, 3]));
    assert!(directory.names().contains(&format!("{span}.jsonl.sum")), "{:?}", directory.names());
}

#[test]
fn a_closed_file_without_its_sum_has_one_after_a_start_although_another_is_open() {
    let directory = Directory::new("unsummed");
    let mut files = directory.open();
    files.append(&lines(1, 2), 10).unwrap();
    files.append(&lines(3, 3), 3_600).unwrap();
    drop(files);
    let sum = directory.0.join("cdr-0000-001-00000000000000000001-00000000000000000002.jsonl.sum");
    fs::remove_file(&sum).unwrap();
    directory.open();
    assert!(sum.exists());
}

#[test]
fn a_clock_that_was_ahead_does_not_keep_a_file_open() {
    let directory = Directory::new("clock");
    let mut files = directory.open();
    files.append(&lines(1, 1), 900_000_000).unwrap();
    files.append(&lines(2, 2), 10).unwrap();
    assert_eq!(directory.names().len(), 3, "{:?}", directory.names());
    // Back by less than a file's span, as at a leap or when the clock is set right: it stays.
    files.append(&lines(3, 3), 3_599).unwrap();
    files.append(&lines(4, 4), 10).unwrap();
    assert_eq!((directory.names().len(), directory.sequences()), (3, vec![1, 2, 3, 4]));
}
