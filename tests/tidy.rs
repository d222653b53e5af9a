//! The house's order, checked: layers, bans, doors, sizes, captions. Each check is also fed text that must fail it.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up. A module may use itself and what stands before it, nothing after.
const LAYERS: [&str; 9] = ["metrics", "smpp", "config", "engine", "store", "http", "runtime", "tools", "cli"];

/// Layers that decide, and so know no runtime, socket, file, clock, thread or environment. Addresses are mere values.
const DECIDES: [&str; 6] = ["metrics", "smpp", "config", "engine", "store", "http"];
const AT_THE_EDGE: [&str; 16] = [
    "glommio",
    "hyper",
    "rustls",
    "socket2",
    "libc",
    "signal_hook",
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "Instant::now",
    "SystemTime::now",
];

/// What one file alone may name, and that file.
const DOORS: [(&str, &str); 3] =
    [("rusmpp", "src/smpp/pdu.rs"), ("serde_yaml", "src/config/raw.rs"), ("unsafe", "src/runtime/sys.rs")];

const MAX_LINES: usize = 400;
/// Words that, among a file's first lines, begin the reason for its size.
const SIZE_REASON: &str = "over 400 lines";

struct Source {
    /// From the crate's root: `src/smpp/frame.rs`.
    path: String,
    text: String,
}

#[test]
fn modules_use_only_the_layers_below_them() {
    expect_none(sources(&["src"]), layer_problems);
}

#[test]
fn decisions_know_no_runtime_and_no_clock() {
    expect_none(sources(&["src"]), edge_problems);
}

#[test]
fn some_things_have_one_door() {
    expect_none(sources(&["src"]), door_problems);
}

#[test]
fn no_file_is_too_long_without_a_reason_and_each_has_a_caption() {
    expect_none(sources(&["src", "tests", "benches"]), shape_problems);
}

#[test]
fn the_checks_can_fail() {
    let caught = |check: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        !check(&Source { path: path.to_owned(), text: text.to_owned() }).is_empty()
    };
    let upward = [
        ("src/smpp/frame.rs", "use crate::engine::shard::Shard;"),
        ("src/smpp/frame.rs", "fn f() { crate::runtime::clock::monotonic_ns(); }"),
        ("src/metrics.rs", "use crate::smpp::frame::Frame;"),
        ("src/store/record.rs", "use crate::{config::Config,\n    runtime::clock};"),
        ("src/engine/shard.rs", "use crate::{smpp::{frame::Frame, view}, store};"),
        ("src/tools/load.rs", "use crate::engine::event::Input;"),
        ("src/runtime/tls.rs", "use crate::nowhere::Thing;"),
    ];
    for (path, text) in upward {
        assert!(caught(layer_problems, path, text), "{path}: {text}");
    }
    assert!(caught(edge_problems, "src/engine/time.rs", "let now = Instant::now();"));
    assert!(caught(edge_problems, "src/store/segment.rs", "use std::{fs, io};"));
    assert!(caught(edge_problems, "src/config/raw.rs", "let file = std::fs::read(path);"));
    assert!(caught(door_problems, "src/smpp/frame.rs", "use rusmpp::Command;"));
    assert!(caught(door_problems, "src/config/mod.rs", "serde_yaml::from_str(text)"));
    assert!(caught(door_problems, "src/runtime/socket.rs", "let fd = unsafe { from_raw(fd) };"));
    assert!(caught(shape_problems, "src/cli.rs", "use std::io;\n"));
    assert!(caught(shape_problems, "src/cli.rs", &format!("//! A caption.\n{}", "\n".repeat(MAX_LINES))));
}

#[test]
fn the_checks_let_pass_what_is_right() {
    let passes = |check: fn(&Source) -> Vec<String>, path: &str, text: &str| {
        assert_eq!(check(&Source { path: path.to_owned(), text: text.to_owned() }), [""; 0], "{path}: {text}");
    };
    passes(layer_problems, "src/engine/shard.rs", "use crate::{config::{Config, Rate}, engine::time, smpp};");
    passes(layer_problems, "src/tools/load.rs", "use crate::runtime::socket;\nuse crate::smpp::frame::Frame;");
    passes(layer_problems, "src/smpp/frame.rs", "//! Used by `crate::engine`.\n");
    passes(edge_problems, "src/config/mod.rs", "use std::net::{IpAddr, SocketAddr};");
    passes(edge_problems, "src/runtime/clock.rs", "let now = Instant::now();");
    passes(edge_problems, "src/engine/time.rs", "// Never glommio, never std::fs.\n");
    passes(door_problems, "src/runtime/socket.rs", "#![deny(unsafe_code)] // no unsafe");
    passes(door_problems, "src/smpp/pdu.rs", "use rusmpp::Command;");
    let long = format!("//! A table.\n//!\n//! Over 400 lines: one row each.\n{}", "\n".repeat(MAX_LINES));
    passes(shape_problems, "src/smpp/table.rs", &long);
}

fn layer_problems(source: &Source) -> Vec<String> {
    let Some(module) = module_of(&source.path) else { return Vec::new() };
    let height = LAYERS.iter().position(|layer| *layer == module);
    let may_use = |used: &str| {
        let below = LAYERS.iter().position(|layer| *layer == used);
        below.is_some() && below <= height && !(module == "tools" && used == "engine")
    };
    crate_imports(&code(&source.text))
        .into_iter()
        .filter(|used| !may_use(used))
        .map(|used| format!("{}: `{module}` must not use `{used}`", source.path))
        .collect()
}

fn edge_problems(source: &Source) -> Vec<String> {
    if !module_of(&source.path).is_some_and(|module| DECIDES.contains(&module)) {
        return Vec::new();
    }
    let code = code(&source.text);
    let mut problems: Vec<String> = AT_THE_EDGE
        .iter()
        .filter(|banned| names(&code, banned))
        .map(|banned| format!("{}: `{banned}` belongs at the edge", source.path))
        .collect();
    if code.contains("use std::{") {
        problems.push(format!("{}: `use std::{{` hides what is used from this check; one `use` each", source.path));
    }
    problems
}

fn door_problems(source: &Source) -> Vec<String> {
    let code = code(&source.text);
    DOORS
        .iter()
        .filter(|(word, door)| source.path != *door && names(&code, word))
        .map(|(word, door)| format!("{}: only {door} may say `{word}`", source.path))
        .collect()
}

fn shape_problems(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    if !source.text.starts_with("//! ") {
        problems.push(format!("{}: begins without a `//!` caption", source.path));
    }
    let lines = source.text.lines().count();
    let reason = source.text.lines().take(10).any(|line| line.to_lowercase().contains(SIZE_REASON));
    if lines > MAX_LINES && !reason {
        problems.push(format!("{}: {lines} lines; split it, or say at its top why it is {SIZE_REASON}", source.path));
    }
    problems
}

/// The layer a file of `src` belongs to; `None` for `lib.rs` and `main.rs`, which stand above all.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (module != "lib" && module != "main").then_some(module)
}

/// The text without its comments. A `//` in a string ends the line too early, which no check here minds.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether `word` stands in `code` as a whole name.
fn names(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].chars().next_back().is_some_and(is_part)
            && !code[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

/// Every `X` of `crate::X` and of `crate::{X, ...}`.
fn crate_imports(code: &str) -> Vec<String> {
    let first_name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = Vec::new();
    for (at, matched) in code.match_indices("crate::") {
        let rest = &code[at + matched.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(first_name(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(first_name(&std::mem::take(&mut item))),
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
        found.push(first_name(&item));
    }
    found.retain(|name| !name.is_empty());
    found
}

fn expect_none(sources: Vec<Source>, check: impl Fn(&Source) -> Vec<String>) {
    let problems: Vec<String> = sources.iter().flat_map(check).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Every Rust file below these folders; a check that saw none would prove nothing.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        collect(root, &root.join(folder), &mut found);
    }
    assert!(found.len() >= 10, "only {} sources seen", found.len());
    for expected in ["src/lib.rs", "src/metrics.rs", "src/smpp/frame.rs", "src/runtime/sys.rs"] {
        assert!(found.iter().any(|source| source.path == expected), "{expected} was not seen");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "this test reads the sources")]
fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file is text");
            found.push(Source {
                path: path.strip_prefix(root).expect("folders lie below the root").display().to_string(),
                text,
            });
        }
    }
}
