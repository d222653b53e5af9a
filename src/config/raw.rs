//! The YAML as written: a small tree in which every scalar keeps the text it had in the file.
//!
//! Nothing is typed here, so that one wrong value cannot hide the next: `reader` asks for types and collects problems.
//! The text is read three times: for its syntax, for its shape, and for the scalars' text (a YAML library decides
//! early that `0123` or `1e3` is a number, and then no longer knows how it was written). The only user of serde_yaml.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Problem;

const MAX_OCTETS: usize = 1 << 20;
const MAX_DEPTH: usize = 32;
/// What the tree may cost once aliases are followed: its text, and `NODE_COST` for each node.
const MAX_COST: usize = 16 << 20;
const NODE_COST: usize = 16;
const TOO_MANY_ALIASES: &str = "aliases make the file too large";

// It holds secrets, so only tests may print it.
#[cfg_attr(test, derive(Debug))]
#[derive(Eq, PartialEq)]
pub(super) enum Node {
    /// Nothing, `~` or `null`, unquoted.
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In the file's order; a key may be there twice.
    Map(Vec<(String, Node)>),
}

pub(super) fn read(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_OCTETS {
        return Err(Problem::new("the file", "is longer than 1 MiB"));
    }
    if let Err(error) = serde_yaml::from_str::<IgnoredAny>(text) {
        return Err(syntax_problem(&error));
    }
    let bounds = Bounds { cost_left: Cell::new(MAX_COST), broken: Cell::new(None) };
    // What serde_yaml says from here on may quote a value, and a value may be a secret: only its location is used.
    let unreadable = |error: serde_yaml::Error| {
        // serde_yaml's own bound on aliases.
        let repeats = error.to_string().contains("repetition limit exceeded").then_some(TOO_MANY_ALIASES);
        let other = "cannot be read: a key must be a single value, and tags are not known";
        Problem::new(place(&error), bounds.broken.get().or(repeats).unwrap_or(other))
    };
    let mut node = Shape { bounds: &bounds, depth: 0 }
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(unreadable)?;
    Text { bounds: &bounds, node: &mut node }
        .deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(unreadable)?;
    Ok(node)
}

/// A problem libyaml found; its words name the construct and never quote the file.
fn syntax_problem(error: &serde_yaml::Error) -> Problem {
    let place = place(error);
    if error.location().is_none() {
        return Problem::new(place, "must hold exactly one YAML document");
    }
    let message = error.to_string().replacen(&format!(" at {place}"), "", 1);
    Problem::new(place, format!("is not YAML: {message}"))
}

fn place(error: &serde_yaml::Error) -> String {
    match error.location() {
        Some(at) => format!("line {} column {}", at.line(), at.column()),
        None => "the file".to_owned(),
    }
}

struct Bounds {
    cost_left: Cell<usize>,
    /// Which bound was broken, in our words.
    broken: Cell<Option<&'static str>>,
}

impl Bounds {
    fn spend<E: serde::de::Error>(&self, cost: usize) -> Result<(), E> {
        match self.cost_left.get().checked_sub(cost) {
            Some(left) => {
                self.cost_left.set(left);
                Ok(())
            }
            None => Err(self.refuse(TOO_MANY_ALIASES)),
        }
    }

    fn refuse<E: serde::de::Error>(&self, why: &'static str) -> E {
        self.broken.set(Some(why));
        E::custom(why)
    }
}

/// Reads a node without the text of its scalars.
#[derive(Clone, Copy)]
struct Shape<'a> {
    bounds: &'a Bounds,
    depth: usize,
}

impl Shape<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.bounds.refuse("is nested too deeply"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn scalar<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(String::new()))
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Node, D::Error> {
        self.bounds.spend(NODE_COST)?;
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Node, A::Error> {
        let element = self.deeper()?;
        let mut list = Vec::new();
        while let Some(node) = elements.next_element_seed(element)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let value = self.deeper()?;
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.bounds.spend(key.len())?;
            map.push((key, entries.next_value_seed(value)?));
        }
        Ok(Node::Map(map))
    }
}

/// Reads the same document again and puts each scalar's text into the node that `Shape` made for it.
struct Text<'a> {
    bounds: &'a Bounds,
    node: &'a mut Node,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        match self.node {
            Node::Null => source.deserialize_ignored_any(IgnoredAny).map(drop),
            Node::Scalar(_) => source.deserialize_str(self),
            Node::List(_) => source.deserialize_seq(self),
            Node::Map(_) => source.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there at the first reading")
    }

    fn visit_str<E: serde::de::Error>(self, written: &str) -> Result<(), E> {
        self.bounds.spend(written.len())?;
        *self.node = Node::Scalar(written.to_owned());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        if let Node::List(list) = self.node {
            for node in list {
                let text = Text { bounds: self.bounds, node };
                elements.next_element_seed(text)?.ok_or_else(|| A::Error::custom("the list became shorter"))?;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if let Node::Map(map) = self.node {
            for (_, node) in map {
                entries.next_key::<IgnoredAny>()?.ok_or_else(|| A::Error::custom("the map became shorter"))?;
                entries.next_value_seed(Text { bounds: self.bounds, node })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_the_reading_panic(text in r#"([a-c:&*!?|>%@,~'#\[\]{}\-" \n\t0-9.]|: |- |\n  |\PC){0,60}"#) {
            if let Err(problem) = read(&text) {
                prop_assert!(!problem.path.is_empty() && !problem.message.is_empty());
            }
        }
    }

    fn scalar(text: &str) -> Node {
        Node::Scalar(text.to_owned())
    }

    #[test]
    fn scalars_keep_the_text_they_had_in_the_file() {
        let text =
            "[0123, 12345, 1_000, 0x10, 1e3, +4477, 1.50, true, No, \"007\", 'a b', \"\", 99999999999999999999999]";
        let written = "0123|12345|1_000|0x10|1e3|+4477|1.50|true|No|007|a b||99999999999999999999999";
        let expected: Vec<Node> = written.split('|').map(scalar).collect();
        assert_eq!(read(text).unwrap(), Node::List(expected));
    }

    #[test]
    fn keys_keep_their_order_and_text_and_may_repeat() {
        let tree = read("b: 1\n0123: ~\nb: [x, {y: }]\n").unwrap();
        let nested = Node::List(vec![scalar("x"), Node::Map(vec![("y".to_owned(), Node::Null)])]);
        let expected = vec![("b".to_owned(), scalar("1")), ("0123".to_owned(), Node::Null), ("b".to_owned(), nested)];
        assert_eq!(tree, Node::Map(expected));
    }

    #[test]
    fn an_alias_is_what_its_anchor_holds() {
        let tree = read("[&a [0123, ~], *a, &b 1e3, *b]").unwrap();
        let list = || Node::List(vec![scalar("0123"), Node::Null]);
        assert_eq!(tree, Node::List(vec![list(), list(), scalar("1e3"), scalar("1e3")]));
    }

    #[test]
    fn an_empty_text_is_null() {
        assert_eq!(read("").unwrap(), Node::Null);
        assert_eq!(read("# nothing\n").unwrap(), Node::Null);
    }

    #[test]
    fn a_syntax_error_names_its_line_and_column() {
        let problem = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(problem.path, "line 3 column 2");
        assert!(problem.message.starts_with("is not YAML: did not find expected ',' or ']'"), "{problem}");
        assert_eq!(read("a: 1\n\tb: 2\n").unwrap_err().path, "line 2 column 1");
        assert_eq!(read("a: *b\n").unwrap_err().path, "line 1 column 4");
    }

    #[test]
    fn more_than_one_document_is_refused() {
        let problem = read("a: 1\n---\nb: 2\n").unwrap_err();
        assert_eq!(problem.to_string(), "the file: must hold exactly one YAML document");
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_being_quoted() {
        for text in ["a: !!int hunter2", "a: !hunter2 x", "a: {[hunter2]: x}", "a: !!bool hunter2", "a: !!null hunter2"]
        {
            let problem = read(text).unwrap_err();
            assert!(problem.path.starts_with("line 1 column "), "{problem}");
            assert!(!problem.message.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn size_depth_and_aliases_are_bounded() {
        assert!(read(&"#".repeat(MAX_OCTETS + 1)).unwrap_err().message.contains("1 MiB"));

        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert!(read(&nested(MAX_DEPTH + 1)).unwrap_err().message.contains("nested too deeply"));
        assert!(read("&a [*a]").unwrap_err().message.contains("nested too deeply"));

        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let aliases = format!("*a{},", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let long = format!("[&a {}, {}]", "x".repeat(400_000), "*a, ".repeat(100));
        assert_eq!(read(&long).unwrap_err().message, TOO_MANY_ALIASES);
        assert_eq!(read(&bomb).unwrap_err().message, TOO_MANY_ALIASES);
    }
}
