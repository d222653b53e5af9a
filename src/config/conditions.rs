//! What a route asks of a submit: whose it is, where it goes, who it is from, how it is coded and which network it is for.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::numbers::{self, MobileNetwork, Numbers};
use super::reader::{Fields, Value};
use super::validate::Names;
use super::{Account, AccountId, Pattern};

/// A `when`: all that it names must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    pub accounts: Accounts,
    /// Any of these; `None`: any destination.
    pub destination: Option<Vec<Pattern>>,
    pub source: Option<Vec<Pattern>>,
    pub data_coding: Option<Vec<RangeInclusive<u8>>>,
    /// What the table of numbers must say of the destination.
    pub network: Option<NetworkCondition>,
}

/// Whose submits a route takes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Accounts {
    #[default]
    All,
    /// Ascending.
    Named(Vec<AccountId>),
    /// Those with one of these for their `group`.
    Groups(Vec<String>),
}

/// At least one of them is there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NetworkCondition {
    pub mcc: Option<Vec<u16>>,
    /// Never without `mcc`.
    pub mnc: Option<Vec<u16>>,
    pub name: Option<Vec<Pattern>>,
}

impl Accounts {
    #[must_use]
    pub fn include(&self, id: AccountId, account: &Account) -> bool {
        match self {
            Self::All => true,
            Self::Named(ids) => ids.binary_search(&id).is_ok(),
            Self::Groups(names) => account.group.as_ref().is_some_and(|group| names.contains(group)),
        }
    }
}

impl Conditions {
    /// Whether no submit is refused.
    #[must_use]
    pub fn is_any(&self) -> bool {
        let is_any = |list: &Option<Vec<Pattern>>| list.as_ref().is_none_or(|list| list.iter().any(Pattern::is_any));
        self.accounts == Accounts::All
            && is_any(&self.destination)
            && is_any(&self.source)
            && self.data_coding.is_none()
            && self.network.is_none()
    }
}

impl NetworkCondition {
    /// A number that is in no range is for no network.
    #[must_use]
    pub fn is_met_by(&self, network: Option<&MobileNetwork>) -> bool {
        let Some(network) = network else { return false };
        self.mcc.as_ref().is_none_or(|codes| codes.contains(&network.mcc))
            && self.mnc.as_ref().is_none_or(|codes| network.mnc.is_some_and(|code| codes.contains(&code)))
            && self.name.as_ref().is_none_or(|names| names.iter().any(|name| name.matches(network.name.as_bytes())))
    }
}

impl fmt::Display for NetworkCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (key, codes, width) in [("mcc", &self.mcc, 3), ("mnc", &self.mnc, 2)] {
            let Some(codes) = codes else { continue };
            let codes: Vec<String> = codes.iter().map(|code| format!("{code:0width$}")).collect();
            write!(f, "{before}{key} {}", codes.join("|"))?;
            before = " ";
        }
        if let Some(names) = &self.name {
            let names: Vec<String> = names.iter().map(Pattern::to_string).collect();
            write!(f, "{before}network {}", names.join("|"))?;
        }
        Ok(())
    }
}

pub(super) fn read(when: &mut Fields<'_>, names: &Names<'_>, numbers: Option<&Arc<Numbers>>) -> Conditions {
    let accounts = list(when, "account", |name| names.account(name));
    let groups = list(when, "group", |name| names.group(name));
    Conditions {
        accounts: read_accounts(when, accounts, groups, names),
        destination: list(when, "destination", Pattern::parse),
        source: list(when, "source", Pattern::parse),
        data_coding: list(when, "data_coding", data_codings),
        network: read_network(when, numbers),
    }
}

/// One value or several, any of which will do.
fn list<T>(when: &mut Fields<'_>, key: &'static str, parser: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
    let value = when.take(key)?;
    if value.is_empty_list() {
        value.problem("is empty, so this route never matches; remove the key for any");
    }
    let parse = |element: &Value<'_>| element.parse(&parser);
    Some(value.elements().iter().filter_map(parse).collect())
}

fn read_accounts(
    when: &Fields<'_>,
    accounts: Option<Vec<AccountId>>,
    groups: Option<Vec<String>>,
    names: &Names<'_>,
) -> Accounts {
    let (mut ids, groups) = match (accounts, groups) {
        (None, None) => return Accounts::All,
        (None, Some(groups)) => return Accounts::Groups(groups),
        (Some(ids), groups) => (ids, groups),
    };
    ids.sort_unstable();
    ids.dedup();
    if let Some(groups) = groups {
        let was_empty = ids.is_empty();
        ids.retain(|id| groups.iter().any(|group| names.groups.get(group).is_some_and(|of| of.contains(id))));
        if ids.is_empty() && !was_empty {
            when.reading
                .problem(when.path.clone(), "names accounts and groups that have none of them: it never matches");
        }
    }
    Accounts::Named(ids)
}

fn read_network(when: &mut Fields<'_>, numbers: Option<&Arc<Numbers>>) -> Option<NetworkCondition> {
    let mcc = list(when, "mcc", numbers::mcc);
    let mnc = list(when, "mnc", numbers::mnc);
    let name = list(when, "network", Pattern::parse);
    let key = match (&mcc, &mnc, &name) {
        (Some(_), _, _) => "mcc",
        (None, Some(_), _) => {
            when.reading
                .problem(when.path_of("mnc"), "needs `mcc` beside it: many countries have a network of that code");
            "mnc"
        }
        (None, None, Some(_)) => "network",
        (None, None, None) => return None,
    };
    let condition = NetworkCondition { mcc, mnc, name };
    match numbers {
        None => when.reading.problem(when.path_of(key), "needs a table of `numbers`: without one it never matches"),
        Some(numbers) if !numbers.networks().iter().any(|network| condition.is_met_by(Some(network))) => {
            when.reading.warn(when.path.clone(), format!("never matches: no row of `numbers` has {condition}"));
        }
        Some(_) => {}
    }
    Some(condition)
}

/// A data_coding, or a range of them: `8`, `0x08`, `0x00..0x0F`.
fn data_codings(text: &str) -> Result<RangeInclusive<u8>, String> {
    let expected = || "must be a data_coding such as 8 or 0x08, or a range such as 0x00..0x0F".to_owned();
    let octet = |text: &str| {
        let octet = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u8::from_str_radix(hex, 16).ok(),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Some(_) | None => None,
        };
        octet.ok_or_else(expected)
    };
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let range = octet(first)?..=octet(last)?;
    if range.is_empty() { Err("is a range that ends before it begins".to_owned()) } else { Ok(range) }
}
