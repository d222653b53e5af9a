//! The body of `POST /v1/messages` as JSON, read once: which fields were given, each as what it is. Whether that is what it must
//! be, `message` says: a wrong message of a batch does not spoil the others.
//!
//! What is nested where nothing is to be nested is passed over without recursion, so no depth of it does harm.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{Field, MOST_MESSAGES};
use super::problem::{Kind, Problem};

/// What a request brings.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is read once and not kept; a box would cost the usual case more")]
pub(super) enum Body<'a> {
    One(Given<'a>),
    Several(Vec<Given<'a>>),
}

/// A message as it was given.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    values: [Option<Json<'a>>; Field::ALL.len()],
    pub(super) fault: Option<Fault>,
}

/// What is wrong with a message apart from what its fields say.
#[derive(Debug)]
pub(super) enum Fault {
    NoObject,
    Unknown(String),
    Twice(Field),
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Flag(bool),
    /// What no field may be.
    Other,
}

impl<'a> Given<'a> {
    pub(super) fn value(&self, field: Field) -> Option<&Json<'a>> {
        self.values[field as usize].as_ref()
    }

    fn put(&mut self, field: Field, value: Json<'a>) {
        if self.values[field as usize].replace(value).is_some() {
            self.fault.get_or_insert(Fault::Twice(field));
        }
    }

    fn first(&self) -> Option<Field> {
        Field::ALL.iter().copied().find(|field| self.value(*field).is_some())
    }
}

/// Reads a body; the error is what the request is answered.
pub(super) fn read(body: &[u8]) -> Result<Body<'_>, Problem> {
    let at = At::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let top = json.deserialize_any(Top(&at)).and_then(|top| json.end().map(|()| top));
    match top {
        Ok(top) => top.body(),
        Err(error) => {
            let problem = Problem::new(Kind::Unreadable, format!("The body is no JSON as it is meant here: {error}."));
            Err(match at.path() {
                Some(path) => problem.field(&path),
                None => problem,
            })
        }
    }
}

/// Where reading is, for when it fails.
#[derive(Default)]
struct At {
    message: Cell<Option<usize>>,
    field: Cell<Option<Field>>,
}

impl At {
    fn path(&self) -> Option<String> {
        match (self.message.get(), self.field.get()) {
            (None, None) => None,
            (None, Some(field)) => Some(field.name().to_owned()),
            (Some(message), None) => Some(format!("messages[{message}]")),
            (Some(message), Some(field)) => Some(format!("messages[{message}].{}", field.name())),
        }
    }
}

/// The body's own object.
#[derive(Default)]
struct Outer<'a> {
    given: Given<'a>,
    messages: Option<Messages<'a>>,
}

enum Messages<'a> {
    Read(Vec<Given<'a>>),
    TooMany,
    NoList,
    Twice,
}

impl<'a> Outer<'a> {
    fn body(self) -> Result<Body<'a>, Problem> {
        let wrong = |field: &str, detail: String| Err(Problem::new(Kind::Invalid, detail).field(field));
        let Some(messages) = self.messages else {
            return Ok(Body::One(self.given));
        };
        if let Some(Fault::Unknown(name)) = &self.given.fault {
            return wrong(name, format!("There is no field {name:?}."));
        }
        if let Some(field) = self.given.first() {
            let name = field.name();
            return wrong(name, format!("`{name}` cannot stand beside `messages`, but in one of them."));
        }
        match messages {
            Messages::Read(messages) if !messages.is_empty() => Ok(Body::Several(messages)),
            Messages::Twice => wrong("messages", "`messages` is given twice.".to_owned()),
            Messages::Read(_) | Messages::TooMany | Messages::NoList => {
                wrong("messages", format!("`messages` must be a list of 1 to {MOST_MESSAGES} messages."))
            }
        }
    }
}

enum Key {
    Field(Field),
    Messages,
    Unknown(String),
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Key, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        const SHOWN: usize = 64;
        Ok(match Field::of(name) {
            Some(field) => Key::Field(field),
            None if name == "messages" => Key::Messages,
            None => Key::Unknown(name.chars().take(SHOWN).collect()),
        })
    }
}

struct Top<'c>(&'c At);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Outer<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outer<'de>, A::Error> {
        let mut outer = Outer::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            if !matches!(key, Key::Messages) {
                read_field(key, &mut map, &mut outer.given, self.0)?;
                continue;
            }
            let messages = map.next_value_seed(List(self.0))?;
            outer.messages = Some(if outer.messages.is_some() { Messages::Twice } else { messages });
        }
        Ok(outer)
    }
}

fn read_field<'de, A: MapAccess<'de>>(key: Key, map: &mut A, given: &mut Given<'de>, at: &At) -> Result<(), A::Error> {
    let unknown = match key {
        Key::Field(field) => {
            at.field.set(Some(field));
            given.put(field, map.next_value_seed(Value)?);
            at.field.set(None);
            return Ok(());
        }
        Key::Messages => "messages".to_owned(),
        Key::Unknown(name) => name,
    };
    map.next_value::<IgnoredAny>()?;
    given.fault.get_or_insert(Fault::Unknown(unknown));
    Ok(())
}

/// What visitors are told of what they have no use for.
macro_rules! anything_else_is {
    ($value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// The value of `messages`.
struct List<'c>(&'c At);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Messages<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Messages<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        self.0.message.set(Some(0));
        while let Some(given) = list.next_element_seed(Message(self.0))? {
            messages.push(given);
            self.0.message.set(Some(messages.len()));
            if messages.len() == MOST_MESSAGES {
                break;
            }
        }
        self.0.message.set(None);
        let mut is_over = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            is_over = true;
        }
        Ok(if is_over { Messages::TooMany } else { Messages::Read(messages) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Messages::NoList)
    }

    anything_else_is!(Messages::NoList);
}

/// One of `messages`.
struct Message<'c>(&'c At);

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = Given<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut given = Given::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            read_field(key, &mut map, &mut given, self.0)?;
        }
        Ok(given)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Given::no_object())
    }

    anything_else_is!(Given::no_object());
}

impl Given<'_> {
    fn no_object() -> Self {
        Self { fault: Some(Fault::NoObject), ..Self::default() }
    }
}

/// The value of a field.
struct Value;

impl<'de> DeserializeSeed<'de> for Value {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Json<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(u64::try_from(number).map_or(Json::Other, Json::Whole))
    }

    /// 3.0 is a whole number in JSON.
    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        const LAST_WHOLE: f64 = (1u64 << 53) as f64;
        let is_whole = number.fract() == 0.0 && (0.0..=LAST_WHOLE).contains(&number);
        Ok(if is_whole { Json::Whole(number as u64) } else { Json::Other })
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Other)
    }
}
