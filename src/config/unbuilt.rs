//! Keys that are read and checked although what they ask for is not built yet. Building it deletes its line.

use super::raw::Node;
use super::reader::{Reading, shown_key};

/// When a key needs what is not built.
#[derive(Clone, Copy)]
enum Needs {
    /// Written at all, unless it is an empty list.
    Any,
    /// Written with this value.
    Value(&'static str),
}

/// Where (`*` is any key or any element), when, and what is missing.
const UNBUILT: &[(&str, Needs, &str)] = &[
    ("http", Needs::Any, "HTTP is not built yet: these addresses are not listened on"),
    ("cdr", Needs::Any, "CDRs are not built yet: none are written"),
    ("accounts.*.tokens", Needs::Any, "HTTP is not built yet: tokens open nothing"),
];

pub(super) fn warn(tree: &Node, reading: &Reading<'_>) {
    for &(path, needs, message) in UNBUILT {
        let keys: Vec<&str> = path.split('.').collect();
        descend(tree, &keys, String::new(), &mut |path, node| {
            if needs.met_by(node) {
                reading.warn(path, message);
            }
        });
    }
}

fn descend(node: &Node, keys: &[&str], path: String, found: &mut impl FnMut(String, &Node)) {
    let Some((key, below)) = keys.split_first() else {
        found(path, node);
        return;
    };
    match node {
        Node::Map(map) => {
            for (name, node) in map.iter().filter(|(name, _)| *key == "*" || name == key) {
                let dot = if path.is_empty() { "" } else { "." };
                descend(node, below, format!("{path}{dot}{}", shown_key(name)), found);
            }
        }
        Node::List(list) if *key == "*" => {
            for (i, node) in list.iter().enumerate() {
                descend(node, below, format!("{path}[{i}]"), found);
            }
        }
        Node::List(_) | Node::Scalar(_) | Node::Null => {}
    }
}

impl Needs {
    fn met_by(self, node: &Node) -> bool {
        let written = match node {
            Node::Null => return false,
            Node::Scalar(text) => Some(text.as_str()),
            Node::List(list) if list.is_empty() => return false,
            Node::List(_) | Node::Map(_) => None,
        };
        match self {
            Self::Any => true,
            Self::Value(value) => written == Some(value),
        }
    }
}
