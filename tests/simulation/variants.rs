//! The same configuration for another life: other shards, other pins, an account or a carrier less, MO that have no rule.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trunkline::config::{self, Config, Surroundings};

use crate::rng::Rng;

/// A file that accounts may name.
pub(crate) const OPT_OUT: &[u8] = b"# nothing is sent to these\n+491700000003\n";

pub(crate) fn parse(seed: u64, text: &str) -> Arc<Config> {
    let file = |path: &Path| if path == Path::new("/opt-out") { Ok(OPT_OUT.to_vec()) } else { Err("none".to_owned()) };
    let surroundings = Surroundings { base: PathBuf::from("/"), env: &|_| None, file: &file };
    match config::parse(text, &surroundings) {
        Ok(parsed) => Arc::new(parsed.config),
        Err(problems) => panic!("SEED={seed}: {text}\n{problems:?}"),
    }
}

/// A configuration of so many shards, with what is named in it left out. `pin` says where accounts and carriers are to live.
pub(crate) fn vary(text: &str, shards: usize, without: &[&str], mut pin: impl FnMut() -> Option<usize>) -> String {
    let mut varied = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let declared = line.strip_prefix("  ").and_then(|rest| rest.split_once(": {")).map(|(name, _)| name);
        let is_declaration = declared.is_some_and(|name| name.len() == 2 && name.starts_with(['a', 'c']));
        let next = lines.peek().and_then(|next| next.strip_prefix("    to: "));
        if line.starts_with("shards:") {
            let _ = writeln!(varied, "shards: {shards}");
        } else if let Some(name) = declared.filter(|_| is_declaration) {
            if !without.contains(&name) {
                varied.push_str(&pinned(line, pin()));
            }
        } else if next.is_some_and(|to| without.contains(&to)) {
            lines.next();
        } else {
            let mut line = line.to_owned();
            for name in without {
                line = without_target(&line, name);
            }
            varied.push_str(&line);
            varied.push('\n');
        }
    }
    varied
}

/// Anything that keeps at least one account and one carrier.
pub(crate) fn draw_variant(text: &str, base: &Config, rng: &mut Rng) -> String {
    let mut without = Vec::new();
    if base.accounts.len() > 1 && rng.chance(300) {
        without.push(base.accounts[rng.below(base.accounts.len() as u64) as usize].name.as_str());
    }
    if base.carriers.len() > 1 && rng.chance(300) {
        without.push(base.carriers[rng.below(base.carriers.len() as u64) as usize].name.as_str());
    }
    let shards = 1 + rng.below(4);
    let is_pinned = rng.chance(500);
    let varied = vary(text, shards as usize, &without, || is_pinned.then(|| rng.below(shards) as usize));
    if rng.chance(300) { without_mo_rules(&varied) } else { varied }
}

/// Nobody is named for any MO.
pub(crate) fn without_mo_rules(text: &str) -> String {
    let (before, rules) = text.split_once("\nmo:\n").unwrap_or((text, ""));
    let behind = rules.find("profiles:\n").map_or("", |at| &rules[at..]);
    format!("{before}\nmo:\n{behind}")
}

fn pinned(line: &str, pin: Option<usize>) -> String {
    let (head, tail) = line.split_once(", shard: ").unwrap_or((line.strip_suffix(" }").unwrap_or(line), ""));
    let tail = tail.strip_suffix(" }").unwrap_or(tail);
    let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    let pin = pin.map(|shard| format!(", shard: {shard}")).unwrap_or_default();
    format!("{head}{rest}{pin} }}\n")
}

fn without_target(line: &str, carrier: &str) -> String {
    let Some((head, targets)) = line.split_once("to: [") else { return line.to_owned() };
    let weighted = format!("{{ carrier: {carrier}, weight: 1 }}");
    let target = if targets.contains("carrier:") { weighted } else { carrier.to_owned() };
    let targets = targets.replace(&format!("{target}, "), "").replace(&format!(", {target}"), "");
    format!("{head}to: [{targets}")
}
