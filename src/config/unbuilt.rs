//! Keys that are read and checked although what they ask for is not built yet. Building it deletes its line.

use super::raw::Node;
use super::reader::{Reading, shown_key};

/// Where (`*` is any key or any element) and what is missing.
const UNBUILT: &[(&str, &str)] = &[("cdr", "CDRs are not built yet: none are written")];

pub(super) fn warn(tree: &Node, reading: &Reading<'_>) {
    for &(path, message) in UNBUILT {
        let keys: Vec<&str> = path.split('.').collect();
        descend(tree, &keys, String::new(), &mut |path, node| {
            if is_written(node) {
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

/// An empty list asks for nothing.
fn is_written(node: &Node) -> bool {
    match node {
        Node::Null => false,
        Node::List(list) => !list.is_empty(),
        Node::Scalar(_) | Node::Map(_) => true,
    }
}
