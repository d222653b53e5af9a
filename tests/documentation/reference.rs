//! docs/configuration.md: the maps and keys that there are, their defaults, and the values it shows.
//!
//! What keys there are is asked of the reading itself, which lists those it knows when it meets another. A default is right when writing
//! it changes nothing; a value is one when the file is accepted with it; and one that is no default has to change something.

use std::collections::{BTreeMap, BTreeSet};

use crate::parse;

const PAGE: &str = include_str!("../../docs/configuration.md");

const NO_KEY: &str = "no_such_key";
const KNOWN: &str = "is no known key here; known are ";
/// Stands where a file has names of its own: good as a name, a status and a TLV's tag.
const NAME: &str = "0x400";
const ANY_NAME: &str = "*";

struct Row<'a> {
    key: &'a str,
    /// As it is written; `None`: there is none, or it is told in words.
    default: Option<&'a str>,
    is_needed: bool,
    values: Vec<&'a str>,
}

/// The rows that belong to a map, by its path: `accounts.*.quota`.
type Tables<'a> = BTreeMap<String, Vec<Row<'a>>>;

fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// A path as the page writes it, with `*` for names.
fn general(path: &str) -> String {
    let is_name = |segment: &str| !segment.is_empty() && segment.chars().all(|c| c.is_ascii_uppercase());
    let segments = path.split('.').map(|segment| if is_name(segment) { ANY_NAME } else { segment });
    segments.collect::<Vec<_>>().join(".")
}

fn tables(page: &str) -> Tables<'_> {
    let mut tables = Tables::new();
    // Those that the heading names, or else the text below it.
    let mut paths = Vec::new();
    let (mut is_named_by_heading, mut is_inside) = (false, false);
    for line in page.lines() {
        if line.starts_with('#') {
            paths = code_spans(line).into_iter().map(general).collect();
            is_named_by_heading = !paths.is_empty();
        } else if line.starts_with("| key | default |") {
            is_inside = true;
        } else if let Some(row) = line.strip_prefix('|').filter(|row| is_inside && !row.starts_with(" ---")) {
            let names = if paths.is_empty() { vec![String::new()] } else { paths.clone() };
            names.into_iter().for_each(|path| tables.entry(path).or_default().push(read_row(row)));
        } else if line.is_empty() {
            is_inside = false;
        } else if !is_named_by_heading && !line.starts_with('|') {
            paths.extend(code_spans(line).into_iter().map(general));
        }
    }
    tables
}

fn read_row(row: &str) -> Row<'_> {
    let cells: Vec<&str> = row.split(" |").map(str::trim).collect();
    let [key, default, may_be, _, ""] = cells.as_slice() else { panic!("not four cells: {row}") };
    let [key] = code_spans(key).try_into().unwrap_or_else(|_| panic!("no key: {row}"));
    let default_is_value = default.starts_with('`') && default.ends_with('`') && code_spans(default).len() == 1;
    Row {
        key,
        default: default_is_value.then(|| code_spans(default)[0]),
        is_needed: *default == "needed",
        values: code_spans(may_be),
    }
}

/// A file under construction.
enum Tree {
    Text(String),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// What is deeper stands in the place of a value; a map stays when `{}` is put there.
    fn put(&mut self, path: &[&str], text: &str) {
        let Some((first, rest)) = path.split_first() else {
            if text != "{}" || !matches!(self, Self::Map(_)) {
                *self = Self::Text(text.to_owned());
            }
            return;
        };
        if let Self::Text(_) = self {
            *self = Self::Map(Vec::new());
        }
        let Self::Map(entries) = self else { return };
        let at = entries.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
            entries.push(((*first).to_owned(), Self::Map(Vec::new())));
            entries.len() - 1
        });
        entries[at].1.put(rest, text);
    }

    fn remove(&mut self, path: &[&str]) {
        let (Self::Map(entries), Some((first, rest))) = (self, path.split_first()) else { return };
        if rest.is_empty() {
            entries.retain(|(key, _)| key != first);
        } else {
            entries.iter_mut().filter(|(key, _)| key == first).for_each(|(_, below)| below.remove(rest));
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, below)| format!("{key}: {}", below.write())).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// The keys the program knows in the map at this path; `None` when there is no such map.
fn known_at(path: &[&str]) -> Option<Vec<String>> {
    let mut tree = Tree::Map(Vec::new());
    let unknown: Vec<&str> = path.iter().copied().chain([NO_KEY]).collect();
    tree.put(&unknown, "x");
    let problems = parse(&tree.write()).err()?;
    let listed = problems.iter().find(|problem| problem.path == unknown.join("."))?.message.strip_prefix(KNOWN)?;
    Some(listed.split(", ").map(str::to_owned).collect())
}

/// All maps below a path, and their keys.
fn walk(path: &[&str], found: &mut BTreeMap<String, BTreeSet<String>>) {
    let Some(keys) = known_at(path) else {
        if path.last() != Some(&NAME) {
            let named: Vec<&str> = path.iter().copied().chain([NAME]).collect();
            walk(&named, found);
        }
        return;
    };
    for key in &keys {
        let below: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        walk(&below, found);
    }
    found.insert(path.join(".").replace(NAME, ANY_NAME), keys.into_iter().collect());
}

fn problems_of_keys(tables: &Tables<'_>) -> Vec<String> {
    let mut known = BTreeMap::new();
    walk(&[], &mut known);
    let mut problems = Vec::new();
    for (path, keys) in &known {
        let Some(rows) = tables.get(path) else {
            problems.push(format!("{path}: has no table, and has {keys:?}"));
            continue;
        };
        let told: BTreeSet<String> = rows.iter().map(|row| row.key.to_owned()).collect();
        problems.extend(keys.difference(&told).map(|key| format!("{path}: {key} is not told")));
        problems.extend(told.difference(keys).map(|key| format!("{path}: {key} is no key")));
        if told.len() != rows.len() {
            problems.push(format!("{path}: has a key twice"));
        }
    }
    problems.extend(tables.keys().filter(|path| !known.contains_key(*path)).map(|path| format!("{path}: is no map")));
    problems
}

/// What a file is made of when one key of it is looked at; what its table calls needed comes besides.
const STAGE: [(&str, &str); 11] = [
    ("accounts.acme.password", "secret"),
    ("accounts.acme.group", "retail"),
    ("carriers.north.connect", "\"127.0.0.1:2776\""),
    ("carriers.north.system_id", "us"),
    ("carriers.north.password", "secret"),
    ("carriers.north.profile", "odd"),
    ("carriers.south", "{ connect: \"127.0.0.1:2777\", system_id: us, password: secret }"),
    ("profiles.odd", "{}"),
    ("numbers.file", "numbers.csv"),
    ("routes.to", "north"),
    ("node", "1"),
];

/// What must be there for a key to do anything.
const BESIDE: [(&str, &str, &str); 12] = [
    ("accounts.*.burst", "accounts.acme.rate", "500"),
    ("accounts.*.client_certificate", "smpp.tls", "{ certificate: c.pem, key: k.pem, client_ca: a.pem }"),
    ("accounts.*.deliver", "accounts.acme.callback", "{ url: \"https://acme.example/sms\" }"),
    ("carriers.*.burst", "carriers.north.rate", "500"),
    ("carriers.*.source_burst", "carriers.north.source_rate", "50"),
    ("carriers.*.message_id.response", "carriers.north.message_id.receipt", "hex"),
    ("carriers.*.message_id.receipt", "carriers.north.message_id.response", "hex"),
    ("profiles.*.message_id.response", "profiles.odd.message_id.receipt", "hex"),
    ("profiles.*.message_id.receipt", "profiles.odd.message_id.response", "hex"),
    ("profiles.*.statuses.*.after", "profiles.odd.statuses.0x400.then", "again"),
    ("profiles.*.statuses.*.times", "profiles.odd.statuses.0x400.then", "again"),
    ("routes.when.mnc", "routes.when.mcc", "262"),
];

/// The names on the stage.
fn on_stage(path: &str) -> Vec<&str> {
    let mut before = "";
    let mut named = Vec::new();
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        named.push(match (segment, before) {
            (ANY_NAME, "accounts") => "acme",
            (ANY_NAME, "carriers") => "north",
            (ANY_NAME, "profiles") => "odd",
            (ANY_NAME, _) => NAME,
            (segment, _) => segment,
        });
        before = segment;
    }
    named
}

/// A file in which this key of this map says so, or does not stand.
fn file(tables: &Tables<'_>, path: &str, key: &str, value: Option<&str>, with_beside: bool) -> String {
    let mut tree = Tree::Map(Vec::new());
    STAGE.iter().for_each(|(path, text)| tree.put(&path.split('.').collect::<Vec<_>>(), text));
    let segments: Vec<&str> = path.split('.').filter(|segment| !segment.is_empty()).collect();
    for depth in 1..=segments.len() {
        let above = segments[..depth].join(".");
        let place = on_stage(&above);
        tree.put(&place, "{}");
        for row in tables.get(&above).into_iter().flatten().filter(|row| row.is_needed) {
            let example =
                row.values.first().unwrap_or_else(|| panic!("{above}.{} is needed and has no example", row.key));
            tree.put(&[&place[..], &[row.key]].concat(), example);
        }
    }
    let own = [&on_stage(path)[..], &[key]].concat();
    tree.remove(&own);
    let full = join(path, key);
    for (_, place, text) in BESIDE.iter().filter(|(of, _, _)| with_beside && *of == full) {
        tree.put(&place.split('.').collect::<Vec<_>>(), text);
    }
    if let Some(value) = value {
        tree.put(&own, value);
    }
    tree.write()
}

/// What a file means, or what is wrong with it.
fn meaning(text: &str) -> Result<String, String> {
    parse(text).map(|parsed| format!("{:?}", parsed.config)).map_err(|problems| format!("{problems:?} in {text}"))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn problems_of_row(tables: &Tables<'_>, path: &str, row: &Row<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let said = |value, with_beside| meaning(&file(tables, path, row.key, value, with_beside));
    // Where what stands beside it is wrong without it, its absence is looked at alone.
    let with_beside = said(None, true).is_ok();
    let absent = said(None, with_beside);
    if let Some(default) = row.default.filter(|default| said(Some(default), with_beside) != absent) {
        problems.push(format!("{default} is not the default"));
    }
    let tried = || row.values.iter().map(|value| (*value, said(Some(value), true)));
    problems.extend(tried().filter_map(|(value, said)| Some(format!("{value} is refused: {}", said.err()?))));
    let mut others = tried().filter(|(value, _)| Some(*value) != row.default).peekable();
    if !row.is_needed && others.peek().is_some() && others.all(|(_, said)| said == absent) {
        problems.push("no value changes anything".to_owned());
    }
    let own = join(path, row.key);
    let has_table = tables.contains_key(&own) || tables.contains_key(&join(&own, ANY_NAME));
    if row.values.is_empty() && !has_table {
        problems.push("has no value that could be tried".to_owned());
    }
    // Maps without an example may be what the stage stands on.
    if !row.values.is_empty() && row.is_needed == said(None, false).is_ok() {
        problems.push("is it needed?".to_owned());
    }
    problems.into_iter().map(|problem| format!("{own}: {problem}")).collect()
}

fn problems_of_values(tables: &Tables<'_>, is_asked: impl Fn(&str) -> bool) -> Vec<String> {
    let asked = tables.iter().filter(|(path, _)| is_asked(path));
    asked.flat_map(|(path, rows)| rows.iter().flat_map(move |row| problems_of_row(tables, path, row))).collect()
}

#[test]
fn the_reference_has_the_keys_that_there_are_and_no_others() {
    let problems = problems_of_keys(&tables(PAGE));
    assert!(problems.is_empty(), "docs/configuration.md:\n{}", problems.join("\n"));
}

#[test]
fn its_defaults_are_the_programs_and_its_values_are_taken() {
    let problems = problems_of_values(&tables(PAGE), |_| true);
    assert!(problems.is_empty(), "docs/configuration.md:\n{}", problems.join("\n"));
}

#[test]
fn these_checks_can_fail() {
    let with = |right: &str, wrong: &str| {
        assert!(PAGE.contains(right), "{right}");
        PAGE.replacen(right, wrong, 1)
    };
    for (right, wrong, expected) in [
        ("| `drain` | `30s` |", "| `drains` | `30s` |", "drain is not told"),
        ("| `drain` | `30s` |", "| `drains` | `30s` |", "drains is no key"),
        ("### `accounts.NAME.outbind`", "### Calls", "accounts.*.outbind: has no table"),
        ("## `limits`", "## `limit`", "limit: is no map"),
    ] {
        let page = with(right, wrong);
        assert!(problems_of_keys(&tables(&page)).iter().any(|problem| problem.contains(expected)), "{wrong}");
    }
    for (right, wrong, expected) in [
        ("| `drain` | `30s` |", "| `drain` | `31s` |", "31s is not the default"),
        ("| `0` to `1023` | this node's", "| `0` to `1024` | this node's", "1024 is refused"),
        (
            "| `drain` | `30s` | a duration: `0s`, `2m`",
            "| `drain` | none | a duration: `30s`",
            "no value changes anything",
        ),
        ("| `drain` | `30s` | a duration: `0s`, `2m`", "| `drain` | `30s` | a duration", "has no value"),
        ("| `group` | none |", "| `group` | needed |", "is it needed?"),
    ] {
        let page = with(right, wrong);
        let problems = problems_of_values(&tables(&page), |path| path.is_empty() || path == "accounts.*");
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{wrong}");
    }
}
