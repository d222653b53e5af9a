//! Keys that are read and checked although what they ask for is not built yet. Building it deletes its line.

use super::raw::Node;
use super::reader::Reading;

/// A section, and what is missing.
const UNBUILT: [(&str, &str); 1] = [("cdr", "CDRs are not built yet: none are written")];

pub(super) fn warn(tree: &Node, reading: &Reading<'_>) {
    let Node::Map(map) = tree else { return };
    for (section, message) in UNBUILT {
        if map.iter().any(|(name, node)| name == section && !matches!(node, Node::Null)) {
            reading.warn(section, message);
        }
    }
}
