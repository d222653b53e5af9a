//! The documentation, held against the program: the reference of the configuration, every example of one, every command, every link.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "these tests read the documentation, and have nobody to report to but the test runner"
)]

mod reference;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use trunkline::config::{self, Parsed, Problem, Surroundings};

/// Pages of docs/ by their names, and README.md.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = listed.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    paths.push(root.join("README.md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// A configuration on a host where every variable is set and every file is there.
fn parse(text: &str) -> Result<Parsed, Vec<Problem>> {
    let env = |_: &str| Some("value".to_owned());
    let file = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("numbers.csv") => Ok(b"49151,262,1,Telekom\n49176,262,6,O2\n".to_vec()),
        Some("more.csv") => Ok(b"43660,232,1,A1\n".to_vec()),
        Some("opt-out.txt") => Ok(b"4915100000001\n".to_vec()),
        Some(_) => Ok(b"secret\n".to_vec()),
        None => Err("no such file".to_owned()),
    };
    config::parse(text, &Surroundings { base: PathBuf::from("/etc/trunkline"), env: &env, file: &file })
}

/// What stands in the blocks of these languages.
fn blocks<'a>(page: &'a str, languages: &[&str]) -> Vec<&'a str> {
    let mut parts = page.split("\n```");
    let mut found = Vec::new();
    parts.next();
    // Every second part is between an opening and a closing fence.
    while let (Some(inside), _) = (parts.next(), parts.next()) {
        let (language, text) = inside.split_once('\n').unwrap_or((inside, ""));
        if languages.contains(&language) {
            found.push(text);
        }
    }
    found
}

#[test]
fn every_example_of_the_configuration_is_one_that_check_accepts() {
    let mut tried = 0;
    for (path, page) in pages() {
        // Other programs have YAML too.
        for example in blocks(&page, &["yaml"]).into_iter().filter(|example| !example.contains("scrape_configs")) {
            if let Err(problems) = parse(example) {
                panic!("{}:\n{example}\n{problems:?}", path.display());
            }
            tried += 1;
        }
    }
    assert!(tried >= 9, "{tried}");
}

/// The arguments of each `trunkline ...` in a block of shell.
fn commands(block: &str) -> Vec<Vec<String>> {
    let block = block.replace("\\\n", " ");
    let lines = block.lines().map(|line| line.trim_start_matches("$ "));
    let ours = lines.filter_map(|line| {
        let from = line.find("trunkline ").filter(|at| {
            let before = &line[..*at];
            before.is_empty() || before.ends_with('/') && !before.contains(' ')
        })?;
        Some(&line[from + "trunkline ".len()..])
    });
    let until_next = |words: &str| -> Vec<String> {
        let words = words.split_whitespace();
        let own =
            words.take_while(|word| !matches!(*word, "|" | ">" | "2>" | "&" | "&&" | ";") && !word.starts_with('#'));
        own.map(|word| word.trim_matches(['\'', '"']).to_owned()).collect()
    };
    ours.map(until_next).collect()
}

#[test]
fn every_command_that_is_shown_is_one_the_program_knows() {
    let is_known = |arguments: &[String]| {
        // What stands before --help is read first.
        let mut program = Command::new(env!("CARGO_BIN_EXE_trunkline"));
        program.args(arguments).arg("--help").output().unwrap().status.success()
    };
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(!is_known(&words("load --dlr --flavour x")) && !is_known(&words("load --binds four")));
    let mut tried = 0;
    for (path, page) in pages() {
        for arguments in blocks(&page, &["", "sh", "console"]).into_iter().flat_map(commands) {
            assert!(is_known(&arguments), "{}: trunkline {}", path.display(), arguments.join(" "));
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
}

/// Where the links of a page lead that stay in this repository.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://") && !target.contains([' ', '`'])).collect()
}

#[test]
fn every_link_leads_somewhere_and_the_index_has_every_page() {
    for (path, page) in pages() {
        for target in links(&page) {
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(there.exists(), "{}: {target} is not there", path.display());
            let headings = || {
                fs::read_to_string(&there).unwrap().lines().any(|line| line.starts_with('#') && anchor(line) == place)
            };
            assert!(place.is_empty() || headings(), "{}: {target} has no such heading", path.display());
        }
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let index = fs::read_to_string(docs.join("README.md")).unwrap();
    let listed = links(&index);
    for (path, _) in pages() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || listed.contains(&name), "docs/README.md does not list {name}");
    }
}

/// A heading as links name it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
