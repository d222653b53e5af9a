//! The lines of both ledgers, written and read here.
//!
//! ```text
//! load   + CONNECTION ACCOUNT MODE MS          bound, at this time of day in milliseconds
//!        - CONNECTION MS                       ended or lost
//!        S CONNECTION TAG                      submitted
//!        A CONNECTION TAG STATUS ID            answered; the status in hexadecimal
//!        D CONNECTION TAG                      in doubt: lost with the connection, or given up
//!        R CONNECTION TAG ID STATE STATUS      receipt, and what we answered it with
//!
//! smsc   + CONNECTION SYSTEM_ID MODE MS        bound
//!        - CONNECTION MS                       ended or lost
//!        A CONNECTION TAG ID OWED              submit accepted under this id; the state its receipt will tell, if one is owed
//!        N CONNECTION TAG STATUS               submit refused, or never answered if STATUS is -
//!        R CONNECTION TAG ID STATE             receipt sent
//!        X CONNECTION TAG ID STATE             the same sent again
//!        K CONNECTION TAG ID STATE STATUS      receipt answered
//!        L CONNECTION TAG ID STATE             its connection was lost before the answer
//! ```
//!
//! A receipt is final by its state. TAG, ID, STATE and OWED are `-` where there is none.

use std::fmt;

use super::Tag;
use crate::smpp::command::CommandStatus;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoadLine<'a> {
    Bound { connection: u32, account: &'a str, mode: &'a str, at_ms: u64 },
    Ended { connection: u32, at_ms: u64 },
    Submitted { connection: u32, tag: Tag },
    Answered { connection: u32, tag: Tag, status: CommandStatus, id: &'a str },
    InDoubt { connection: u32, tag: Tag },
    Receipt { connection: u32, tag: Option<Tag>, id: &'a str, state: &'a str, status: CommandStatus },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SmscLine<'a> {
    Bound { connection: u32, system_id: &'a str, mode: &'a str, at_ms: u64 },
    Ended { connection: u32, at_ms: u64 },
    Accepted { connection: u32, tag: Option<Tag>, id: &'a str, owed: &'a str },
    Refused { connection: u32, tag: Option<Tag>, status: Option<CommandStatus> },
    Sent { connection: u32, tag: Option<Tag>, id: &'a str, state: &'a str, again: bool },
    Answered { connection: u32, tag: Option<Tag>, id: &'a str, state: &'a str, status: CommandStatus },
    Lost { connection: u32, tag: Option<Tag>, id: &'a str, state: &'a str },
}

impl fmt::Display for LoadLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { connection, account, mode, at_ms } => write!(f, "+ {connection} {account} {mode} {at_ms}"),
            Self::Ended { connection, at_ms } => write!(f, "- {connection} {at_ms}"),
            Self::Submitted { connection, tag } => write!(f, "S {connection} {tag}"),
            Self::Answered { connection, tag, status, id } => write!(f, "A {connection} {tag} {:x} {id}", status.0),
            Self::InDoubt { connection, tag } => write!(f, "D {connection} {tag}"),
            Self::Receipt { connection, tag, id, state, status } => {
                write!(f, "R {connection} {} {id} {state} {:x}", Shown(*tag), status.0)
            }
        }
    }
}

impl fmt::Display for SmscLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { connection, system_id, mode, at_ms } => {
                write!(f, "+ {connection} {system_id} {mode} {at_ms}")
            }
            Self::Ended { connection, at_ms } => write!(f, "- {connection} {at_ms}"),
            Self::Accepted { connection, tag, id, owed } => write!(f, "A {connection} {} {id} {owed}", Shown(*tag)),
            Self::Refused { connection, tag, status: None } => write!(f, "N {connection} {} -", Shown(*tag)),
            Self::Refused { connection, tag, status: Some(status) } => {
                write!(f, "N {connection} {} {:x}", Shown(*tag), status.0)
            }
            Self::Sent { connection, tag, id, state, again } => {
                let letter = if *again { 'X' } else { 'R' };
                write!(f, "{letter} {connection} {} {id} {state}", Shown(*tag))
            }
            Self::Answered { connection, tag, id, state, status } => {
                write!(f, "K {connection} {} {id} {state} {:x}", Shown(*tag), status.0)
            }
            Self::Lost { connection, tag, id, state } => write!(f, "L {connection} {} {id} {state}", Shown(*tag)),
        }
    }
}

impl<'a> LoadLine<'a> {
    /// What this line says; `None` when it is no line of a load.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (letter, mut words) = Words::of(line)?;
        let connection = words.number()?;
        let parsed = match letter {
            "+" => Self::Bound { connection, account: words.next()?, mode: words.next()?, at_ms: words.number()? },
            "-" => Self::Ended { connection, at_ms: words.number()? },
            "S" => Self::Submitted { connection, tag: words.tag()?? },
            "A" => Self::Answered { connection, tag: words.tag()??, status: words.status()??, id: words.next()? },
            "D" => Self::InDoubt { connection, tag: words.tag()?? },
            "R" => {
                let (tag, id, state) = (words.tag()?, words.next()?, words.next()?);
                Self::Receipt { connection, tag, id, state, status: words.status()?? }
            }
            _ => return None,
        };
        words.is_over().then_some(parsed)
    }
}

impl<'a> SmscLine<'a> {
    /// What this line says; `None` when it is no line of a carrier.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (letter, mut words) = Words::of(line)?;
        let connection = words.number()?;
        let parsed = match letter {
            "+" => Self::Bound { connection, system_id: words.next()?, mode: words.next()?, at_ms: words.number()? },
            "-" => Self::Ended { connection, at_ms: words.number()? },
            "N" => Self::Refused { connection, tag: words.tag()?, status: words.status()? },
            _ => {
                let (tag, id, state) = (words.tag()?, words.next()?, words.next()?);
                match letter {
                    "A" => Self::Accepted { connection, tag, id, owed: state },
                    "R" | "X" => Self::Sent { connection, tag, id, state, again: letter == "X" },
                    "K" => Self::Answered { connection, tag, id, state, status: words.status()?? },
                    "L" => Self::Lost { connection, tag, id, state },
                    _ => return None,
                }
            }
        };
        words.is_over().then_some(parsed)
    }
}

/// A tag, or `-`.
struct Shown(Option<Tag>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(tag) => tag.fmt(f),
            None => f.write_str("-"),
        }
    }
}

struct Words<'a>(std::str::Split<'a, char>);

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Option<(&'a str, Self)> {
        let mut words = Self(line.split(' '));
        Some((words.next()?, words))
    }

    fn next(&mut self) -> Option<&'a str> {
        self.0.next().filter(|word| !word.is_empty())
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.next()?.parse().ok()
    }

    fn status(&mut self) -> Option<Option<CommandStatus>> {
        match self.next()? {
            "-" => Some(None),
            hex => Some(Some(CommandStatus(u32::from_str_radix(hex, 16).ok()?))),
        }
    }

    fn tag(&mut self) -> Option<Option<Tag>> {
        match self.next()? {
            "-" => Some(None),
            word => Tag::begins(word.as_bytes()).filter(|_| word.len() == Tag::LEN).map(Some),
        }
    }

    fn is_over(&mut self) -> bool {
        self.0.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = Tag { run: 0xBEEF, number: 42 };

    #[test]
    fn every_line_is_read_as_it_was_written() {
        let (connection, tag, id, state, at_ms) = (3, Some(TAG), "beef", "DELIVRD", 1_790_000_000_000);
        let status = CommandStatus::RTHROTTLED;
        for line in [
            LoadLine::Bound { connection, account: "acme", mode: "transceiver", at_ms },
            LoadLine::Ended { connection, at_ms },
            LoadLine::Submitted { connection, tag: TAG },
            LoadLine::Answered { connection, tag: TAG, status, id: "-" },
            LoadLine::InDoubt { connection, tag: TAG },
            LoadLine::Receipt { connection, tag, id, state, status },
            LoadLine::Receipt { connection, tag: None, id, state, status },
        ] {
            assert_eq!(LoadLine::parse(&line.to_string()), Some(line), "{line}");
        }
        for line in [
            SmscLine::Bound { connection, system_id: "us", mode: "receiver", at_ms },
            SmscLine::Ended { connection, at_ms },
            SmscLine::Accepted { connection, tag, id, owed: "-" },
            SmscLine::Refused { connection, tag, status: Some(status) },
            SmscLine::Refused { connection, tag: None, status: None },
            SmscLine::Sent { connection, tag, id, state, again: false },
            SmscLine::Sent { connection, tag, id, state, again: true },
            SmscLine::Answered { connection, tag, id, state, status },
            SmscLine::Lost { connection, tag, id, state },
        ] {
            assert_eq!(SmscLine::parse(&line.to_string()), Some(line), "{line}");
        }
    }

    #[test]
    fn a_line_cut_short_or_with_too_much_is_refused() {
        let whole = "A 3 0000beef-0000000042 0 beef";
        assert!(LoadLine::parse(whole).is_some());
        for length in 0..whole.len() - 4 {
            assert_eq!(LoadLine::parse(&whole[..length]), None, "{}", &whole[..length]);
        }
        for line in ["A 3 0000beef-0000000042 0 beef more", "A x 0000beef-0000000042 0 beef", "Z 3 -", "S 3 -", ""] {
            assert_eq!(LoadLine::parse(line), None, "{line}");
        }
        assert_eq!(SmscLine::parse("K 3 - beef DELIVRD -"), None, "an answer has a status");
    }
}
