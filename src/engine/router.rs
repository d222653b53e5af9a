//! The route table: account, addresses and coding of a submit in; an ordered list of carriers out.
//!
//! The first rule that matches decides, and there is no fall-through to a later one. Destinations lie in a trie, so ten
//! thousand prefixes cost one walk along the number's digits; at each node only the rules of the account, those of its group
//! and those of every account are looked at. What else a rule asks is looked at last, and the number's network is found once
//! at most, when a rule asks for it. How a rule chooses among its carriers is in `rule`.

mod explain;
mod rule;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::loads::Loads;
use super::time::Instant;
use crate::config::{AccountId, Accounts, CarrierId, Config, MobileNetwork, Numbers, Pattern, Route};
pub use explain::{Explanation, explain, refused_before};
pub use rule::RouteChoice;
use rule::Rule;

/// What a route may ask of a submit.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub account: AccountId,
    pub destination: &'a [u8],
    pub source: &'a [u8],
    pub data_coding: u8,
}

#[derive(Debug)]
pub struct RouteTable {
    /// Which table this is: a choice belongs to the one that made it. No submit is under way for as long as 256 of them.
    generation: u8,
    /// The file's, in their order; then one for each carrier, which no submit matches.
    rules: Vec<Rule>,
    first_only: u32,
    nodes: Vec<Node>,
    /// Rules that ask for the country of any destination, and those that ask for its network too, by the codes of both. Many
    /// files have nothing else.
    by_network: Vec<((u16, Option<u16>), Ending)>,
    /// The first of them.
    first_by_network: u32,
    numbers: Option<Arc<Numbers>>,
    /// The groups that rules name, and each account's; empty when they name none.
    groups: HashMap<String, u32>,
    group_of: Vec<Option<u32>>,
}

/// Rules whose destination ends at this node, by position.
#[derive(Debug, Default)]
struct Node {
    digits: [Option<u32>; 10],
    others: Vec<(u8, u32)>,
    prefix: Ending,
    exact: Ending,
}

#[derive(Debug, Default)]
struct Ending {
    of_any: Vec<u32>,
    of_some: Vec<(Owner, Vec<u32>)>,
}

/// Whose submits a rule takes when it does not take everybody's.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Owner {
    Account(AccountId),
    Group(u32),
}

/// One question, and the best answer so far.
struct Search<'a> {
    table: &'a RouteTable,
    query: &'a Query<'a>,
    group: Option<u32>,
    network: OnceCell<Option<&'a MobileNetwork>>,
    best: u32,
}

impl RouteTable {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::of_generation(config, 0)
    }

    /// The table that a reload puts in place of another.
    #[must_use]
    pub fn of_generation(config: &Config, generation: u8) -> Self {
        let mut table = Self {
            generation,
            rules: Vec::new(),
            first_only: 0,
            nodes: vec![Node::default()],
            by_network: Vec::new(),
            first_by_network: u32::MAX,
            numbers: config.numbers.clone(),
            groups: HashMap::new(),
            group_of: Vec::new(),
        };
        for route in &config.routes {
            table.add(route);
        }
        table.first_only = table.rules.len() as u32;
        let carriers = 0..config.carriers.len();
        table.rules.extend(carriers.map(|carrier| Rule::only(CarrierId(carrier as u16))));
        if !table.groups.is_empty() {
            let group = |name: &Option<String>| name.as_ref().and_then(|name| table.groups.get(name).copied());
            table.group_of = config.accounts.iter().map(|account| group(&account.group)).collect();
        }
        table
    }

    /// The carriers for a submit; `pick` draws among them, and is equal for parts that must stay together.
    #[must_use]
    pub fn choose(&self, query: &Query<'_>, pick: u64) -> Option<RouteChoice> {
        let at = self.decide(query);
        let rule = self.rules.get(at as usize)?;
        let mut choice = rule.choose(at, pick);
        choice.generation = self.generation;
        Some(choice)
    }

    /// This carrier and no other.
    #[must_use]
    pub fn only(&self, carrier: CarrierId) -> Option<RouteChoice> {
        let at = self.first_only + carrier.index() as u32;
        let mut choice = self.rules.get(at as usize)?.choose(at, 0);
        choice.generation = self.generation;
        Some(choice)
    }

    /// Whether another table made this choice: then it says nothing here.
    #[must_use]
    pub fn is_stale(&self, choice: &RouteChoice) -> bool {
        choice.generation != self.generation
    }

    /// The next carrier to try, or `None` when all have been.
    pub fn next_carrier(&self, choice: &mut RouteChoice, loads: &Loads, now: Instant) -> Option<CarrierId> {
        self.rule_of(choice)?.next_carrier(choice, loads, now)
    }

    /// The order begins with this carrier when the rule names it, whatever its weight.
    pub fn begin_with(&self, choice: &mut RouteChoice, carrier: CarrierId) {
        if let Some(rule) = self.rule_of(choice) {
            rule.begin_with(choice, carrier);
        }
    }

    /// Tries this carrier next. False when the rule does not name it, or it has been tried.
    pub fn take(&self, choice: &mut RouteChoice, carrier: CarrierId) -> bool {
        self.rule_of(choice).is_some_and(|rule| rule.take(choice, carrier))
    }

    fn rule_of(&self, choice: &RouteChoice) -> Option<&Rule> {
        self.rules.get(choice.rule as usize).filter(|_| !self.is_stale(choice))
    }

    /// The first rule that matches; `u32::MAX` when none does.
    fn decide(&self, query: &Query<'_>) -> u32 {
        let group = self.group_of.get(query.account.index()).copied().flatten();
        let mut search = Search { table: self, query, group, network: OnceCell::new(), best: u32::MAX };
        let mut node = &self.nodes[0];
        search.consider(&node.prefix);
        let mut letters = significant(query.destination).iter();
        let reached_end = loop {
            let Some(letter) = letters.next() else { break true };
            let Some(next) = node.child(letter.to_ascii_lowercase()) else { break false };
            node = &self.nodes[next as usize];
            search.consider(&node.prefix);
        };
        if reached_end {
            search.consider(&node.exact);
        }
        if self.first_by_network < search.best
            && let Some(network) = search.network()
        {
            let of_codes = |mnc| self.by_network.binary_search_by_key(&(network.mcc, mnc), |(codes, _)| *codes);
            for at in [of_codes(None), network.mnc.map_or(Err(0), |mnc| of_codes(Some(mnc)))].into_iter().flatten() {
                search.consider(&self.by_network[at].1);
            }
        }
        search.best
    }

    fn add(&mut self, route: &Route) {
        let rule = u32::try_from(self.rules.len()).expect("a file of 1 MiB holds fewer routes");
        self.rules.push(Rule::new(route));
        let owners: Vec<Owner> = match &route.when.accounts {
            Accounts::All => Vec::new(),
            Accounts::Named(ids) => ids.iter().map(|id| Owner::Account(*id)).collect(),
            Accounts::Groups(names) => names.iter().map(|name| self.group(name)).collect(),
        };
        let owners = (route.when.accounts != Accounts::All).then_some(&owners[..]);
        let everything = [Pattern { text: String::new(), is_prefix: true }];
        let destination = route.when.destination.as_deref().unwrap_or(&everything);
        let network = route.when.network.as_ref();
        if let Some((mcc, mnc)) = network.and_then(|network| Some((network.mcc.as_deref()?, network.mnc.as_deref())))
            && destination.iter().any(Pattern::is_any)
        {
            self.first_by_network = self.first_by_network.min(rule);
            match (mcc, mnc) {
                ([mcc], Some(mnc)) => {
                    mnc.iter().for_each(|mnc| at_key(&mut self.by_network, (*mcc, Some(*mnc))).add(rule, owners));
                }
                (mcc, _) => mcc.iter().for_each(|mcc| at_key(&mut self.by_network, (*mcc, None)).add(rule, owners)),
            }
            return;
        }
        for pattern in destination {
            let node = self.node_for(pattern.text.as_bytes());
            let node = &mut self.nodes[node as usize];
            let ending = if pattern.is_prefix { &mut node.prefix } else { &mut node.exact };
            ending.add(rule, owners);
        }
    }

    fn group(&mut self, name: &str) -> Owner {
        let next = self.groups.len() as u32;
        Owner::Group(*self.groups.entry(name.to_owned()).or_insert(next))
    }

    fn node_for(&mut self, text: &[u8]) -> u32 {
        let mut at = 0;
        for letter in text {
            at = match self.nodes[at as usize].child(*letter) {
                Some(next) => next,
                None => {
                    let next = u32::try_from(self.nodes.len()).expect("a file of 1 MiB has fewer octets");
                    self.nodes.push(Node::default());
                    self.nodes[at as usize].set_child(*letter, next);
                    next
                }
            };
        }
        at
    }
}

impl<'a> Search<'a> {
    fn consider(&mut self, ending: &Ending) {
        self.consider_rules(&ending.of_any);
        if !ending.of_some.is_empty() {
            self.consider_rules(ending.of(Owner::Account(self.query.account)));
            if let Some(group) = self.group {
                self.consider_rules(ending.of(Owner::Group(group)));
            }
        }
    }

    fn consider_rules(&mut self, rules: &[u32]) {
        for rule in rules.iter().take_while(|rule| **rule < self.best) {
            if self.table.rules[*rule as usize].is_met_by(self.query, || self.network()) {
                self.best = *rule;
                return;
            }
        }
    }

    /// The network that the destination belongs to.
    fn network(&self) -> Option<&'a MobileNetwork> {
        let find = || self.table.numbers.as_deref().and_then(|numbers| numbers.find(self.query.destination));
        *self.network.get_or_init(find)
    }
}

impl Ending {
    fn of(&self, owner: Owner) -> &[u32] {
        match self.of_some.binary_search_by_key(&owner, |(only, _)| *only) {
            Ok(at) => &self.of_some[at].1,
            Err(_) => &[],
        }
    }

    /// For everybody, or for these.
    fn add(&mut self, rule: u32, owners: Option<&[Owner]>) {
        let add_to = |rules: &mut Vec<u32>| {
            if rules.last() != Some(&rule) {
                rules.push(rule);
            }
        };
        match owners {
            None => add_to(&mut self.of_any),
            Some(owners) => owners.iter().for_each(|owner| add_to(at_key(&mut self.of_some, *owner))),
        }
    }
}

impl Node {
    fn child(&self, letter: u8) -> Option<u32> {
        match letter {
            b'0'..=b'9' => self.digits[usize::from(letter - b'0')],
            _ => self.others.iter().find(|(other, _)| *other == letter).map(|(_, node)| *node),
        }
    }

    fn set_child(&mut self, letter: u8, node: u32) {
        match letter {
            b'0'..=b'9' => self.digits[usize::from(letter - b'0')] = Some(node),
            _ => self.others.push((letter, node)),
        }
    }
}

/// The value of a key in a list that is kept sorted, put in if it is not there.
fn at_key<K: Copy + Ord, V: Default>(list: &mut Vec<(K, V)>, key: K) -> &mut V {
    let at = list.binary_search_by_key(&key, |(other, _)| *other).unwrap_or_else(|at| {
        list.insert(at, (key, V::default()));
        at
    });
    &mut list[at].1
}

/// A number without its leading `+` or `00`; anything else as it is.
#[must_use]
pub fn significant(address: &[u8]) -> &[u8] {
    let rest = address.strip_prefix(b"+").or_else(|| address.strip_prefix(b"00")).unwrap_or(address);
    if rest.first().is_some_and(u8::is_ascii_digit) { rest } else { address }
}
