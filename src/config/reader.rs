//! How the sections walk the tree: every value knows where it stands, and every problem is collected under that path.
//!
//! A reading never stops at a problem: it reports, goes on with the default, and the `Config` so built is thrown away.
//! Messages may quote a value only where it cannot be a secret: a scalar that a parser refused, never a value of the wrong kind.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::raw::Node;

/// So that a broken file of 1 MiB does not answer with a hundred.
const MAX_PROBLEMS: usize = 1000;
/// Longest part of a path or of a quoted value that is shown.
const MAX_SHOWN: usize = 64;
const NO_VALUE: &str = "has no value: give one or remove the key";

/// Something the operator has to mend: where in the file, and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// `accounts.acme.window`, `routes[2].to`, or `line 3 column 5` for syntax.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// What lies outside the text, handed in by the edge.
pub struct Surroundings<'a> {
    /// The directory of the configuration file: relative paths start here.
    pub base: PathBuf,
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The octets of a file, or why there are none.
    pub file: &'a dyn Fn(&Path) -> Result<Vec<u8>, String>,
}

/// One reading of one file.
pub(super) struct Reading<'a> {
    pub(super) surroundings: &'a Surroundings<'a>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(surroundings: &'a Surroundings<'a>) -> Self {
        Self { surroundings, problems: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn problem(&self, path: impl Into<String>, message: impl Into<String>) {
        push(&self.problems, path.into(), message.into());
    }

    pub(super) fn warn(&self, path: impl Into<String>, message: impl Into<String>) {
        push(&self.warnings, path.into(), message.into());
    }

    /// The problems, then the warnings.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}

fn push(list: &RefCell<Vec<Problem>>, path: String, message: String) {
    let mut list = list.borrow_mut();
    if list.len() < MAX_PROBLEMS {
        list.push(Problem { path, message });
    } else if list.len() == MAX_PROBLEMS {
        list.push(Problem::new("the file", "has more of these; the rest are not listed"));
    }
}

/// A value of the file and where it stands.
pub(super) struct Value<'a> {
    pub(super) path: String,
    pub(super) node: &'a Node,
    pub(super) reading: &'a Reading<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.reading.problem(self.path.clone(), message);
    }

    pub(super) fn warn(&self, message: impl Into<String>) {
        self.reading.warn(self.path.clone(), message);
    }

    pub(super) fn scalar(&self) -> Option<&'a str> {
        match self.node {
            Node::Scalar(text) => Some(text),
            Node::Null => {
                self.problem(NO_VALUE);
                None
            }
            Node::List(_) | Node::Map(_) => {
                self.problem("must be a single value");
                None
            }
        }
    }

    pub(super) fn parse<T>(&self, parser: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.scalar()?;
        match parser(text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(format!("{}: {message}", shown(text)));
                None
            }
        }
    }

    /// As `parse`, for what may hold a secret (the password in a URL): the message does not quote it.
    pub(super) fn parse_unquoted<T>(&self, parser: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        parser(self.scalar()?).map_err(|message| self.problem(message)).ok()
    }

    /// The elements of a list; a lone value stands for a list of itself.
    pub(super) fn elements(&self) -> Vec<Value<'a>> {
        match self.node {
            Node::Null => {
                self.problem(NO_VALUE);
                Vec::new()
            }
            Node::Scalar(_) | Node::Map(_) => vec![self.at(self.path.clone(), self.node)],
            Node::List(list) => {
                let element = |(i, node)| self.at(format!("{}[{i}]", self.path), node);
                list.iter().enumerate().map(element).collect()
            }
        }
    }

    /// Whether a list is there and says "none".
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.node, Node::List(list) if list.is_empty())
    }

    /// The entries of a map in the file's order, each key once. A key without anything below it is an empty map,
    /// as when all its entries are commented out.
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, Value<'a>)>> {
        let map = match self.node {
            Node::Map(map) => map.as_slice(),
            Node::Null => &[],
            Node::Scalar(_) | Node::List(_) => {
                self.problem("must be a map of keys and values");
                return None;
            }
        };
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(map.len());
        for (key, node) in map {
            let path = if self.path.is_empty() { shown_key(key) } else { format!("{}.{}", self.path, shown_key(key)) };
            if seen.insert(key.as_str()) {
                entries.push((key.as_str(), self.at(path, node)));
            } else {
                self.reading.problem(path, "is there twice");
            }
        }
        Some(entries)
    }

    /// Reads a map whose keys are known. What `read` did not ask for is an unknown key.
    pub(super) fn fields<T>(&self, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let entries = self.entries()?.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let mut fields = Fields { path: self.path.clone(), entries, known: Vec::new(), reading: self.reading };
        let result = read(&mut fields);
        fields.report_unknown();
        Some(result)
    }

    fn at(&self, path: String, node: &'a Node) -> Value<'a> {
        Value { path, node, reading: self.reading }
    }
}

/// The keys of one map, taken one by one.
pub(super) struct Fields<'a> {
    pub(super) path: String,
    pub(super) reading: &'a Reading<'a>,
    entries: Vec<(&'a str, Option<Value<'a>>)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        self.entries.iter_mut().find(|(name, _)| *name == key).and_then(|(_, value)| value.take())
    }

    pub(super) fn required(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.take(key);
        if value.is_none() {
            self.reading.problem(self.path_of(key), "is missing");
        }
        value
    }

    /// What was not taken yet, where any key may stand.
    pub(super) fn take_rest(&mut self) -> Vec<(&'a str, Value<'a>)> {
        self.entries.iter_mut().filter_map(|(key, value)| Some((*key, value.take()?))).collect()
    }

    /// A scalar, if it is there and right.
    pub(super) fn parse<T>(&mut self, key: &'static str, parser: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.take(key)?.parse(parser)
    }

    pub(super) fn parse_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        parser: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.parse(key, parser).unwrap_or(default)
    }

    /// A list of scalars, if it is there; what is wrong in it is left out.
    pub(super) fn parse_list<T>(
        &mut self,
        key: &'static str,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let elements = self.take(key)?.elements();
        Some(elements.iter().filter_map(|element| element.parse(&parser)).collect())
    }

    /// A map that is read whether it is there or not: all its keys have defaults.
    pub(super) fn section<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Fields<'a>) -> T) -> T {
        let written = self.take(key).and_then(|value| value.fields(&mut read));
        written.unwrap_or_else(|| {
            let path = self.path_of(key);
            read(&mut Fields { path, reading: self.reading, entries: Vec::new(), known: Vec::new() })
        })
    }

    /// A map whose presence says something; as a bare key it says too little.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let value = self.take(key)?;
        if *value.node == Node::Null {
            value.problem("has nothing below it: fill it in, write {} for its defaults, or remove the key");
            return None;
        }
        value.fields(read)
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn report_unknown(&mut self) {
        let known = self.known.join(", ");
        for (_, value) in &self.entries {
            if let Some(value) = value {
                value.problem(format!("is no known key here; known are {known}"));
            }
        }
    }
}

/// A value as a message shows it: quoted, escaped, not too long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

pub(super) fn shown_key(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.len() <= MAX_SHOWN && key.bytes().all(is_plain) { key.to_owned() } else { shown(key) }
}
