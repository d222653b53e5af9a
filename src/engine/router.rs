//! The route table: account, addresses and segment reference in; an ordered list of carriers out.
//!
//! The first rule that matches decides, and there is no fall-through to a later one. Destinations lie in a trie, so ten
//! thousand prefixes cost one walk along the number's digits; at each node only the rules of the account, and those of every
//! account, are looked at.

use crate::config::{AccountId, CarrierId, Config, Pattern, Route, RouteTarget};

/// Which rule decided, and which of its carriers comes first. Eight octets, kept with the submit while carriers are tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteChoice {
    rule: u32,
    first: u16,
    tried: u16,
}

#[derive(Debug)]
pub struct RouteTable {
    rules: Vec<Rule>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Rule {
    source: Option<Vec<Pattern>>,
    /// By preference; weighted ones by falling weight.
    carriers: Vec<CarrierId>,
    /// Running sums of the weights; empty when the order is fixed.
    weights: Vec<u64>,
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
    of_account: Vec<(AccountId, Vec<u32>)>,
}

impl RouteTable {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut table = Self { rules: Vec::new(), nodes: vec![Node::default()] };
        for route in &config.routes {
            table.add(route);
        }
        table
    }

    /// The carriers for a submit; `pick` spreads weighted routes and is equal for parts that must stay together.
    #[must_use]
    pub fn choose(&self, account: AccountId, destination: &[u8], source: &[u8], pick: u64) -> Option<RouteChoice> {
        let mut best = u32::MAX;
        let mut node = &self.nodes[0];
        self.consider(&node.prefix, account, source, &mut best);
        let mut letters = significant(destination).iter();
        let reached_end = loop {
            let Some(letter) = letters.next() else { break true };
            let Some(next) = node.child(letter.to_ascii_lowercase()) else { break false };
            node = &self.nodes[next as usize];
            self.consider(&node.prefix, account, source, &mut best);
        };
        if reached_end {
            self.consider(&node.exact, account, source, &mut best);
        }
        let rule = self.rules.get(best as usize)?;
        Some(RouteChoice { rule: best, first: rule.first(pick), tried: 0 })
    }

    /// The order begins with this carrier when the rule names it, whatever its weight.
    pub fn begin_with(&self, choice: &mut RouteChoice, carrier: CarrierId) {
        let named =
            self.rules.get(choice.rule as usize).and_then(|rule| rule.carriers.iter().position(|at| *at == carrier));
        if let Some(first) = named.and_then(|at| u16::try_from(at).ok()) {
            choice.first = first;
        }
    }

    /// The next carrier to try, or `None` when all have been.
    pub fn next_carrier(&self, choice: &mut RouteChoice) -> Option<CarrierId> {
        let carriers = &self.rules.get(choice.rule as usize)?.carriers;
        let (tried, first) = (usize::from(choice.tried), usize::from(choice.first));
        // The first choice, then the others in their order.
        let at = match tried {
            0 => first,
            tried if tried <= first => tried - 1,
            tried => tried,
        };
        choice.tried += 1;
        carriers.get(at).copied()
    }

    fn consider(&self, ending: &Ending, account: AccountId, source: &[u8], best: &mut u32) {
        let of_account = match ending.of_account.binary_search_by_key(&account, |(only, _)| *only) {
            Ok(at) => &ending.of_account[at].1[..],
            Err(_) => &[],
        };
        for rules in [&ending.of_any[..], of_account] {
            for rule in rules.iter().take_while(|rule| **rule < *best) {
                let source_matches = self.rules[*rule as usize]
                    .source
                    .as_ref()
                    .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(source)));
                if source_matches {
                    *best = *rule;
                    break;
                }
            }
        }
    }

    fn add(&mut self, route: &Route) {
        let rule = u32::try_from(self.rules.len()).expect("a file of 1 MiB holds fewer routes");
        let (carriers, weights) = order(&route.to);
        self.rules.push(Rule { source: route.source.clone(), carriers, weights });
        let everything = [Pattern { text: String::new(), is_prefix: true }];
        for pattern in route.destination.as_deref().unwrap_or(&everything) {
            let node = self.node_for(pattern.text.as_bytes());
            let node = &mut self.nodes[node as usize];
            let ending = if pattern.is_prefix { &mut node.prefix } else { &mut node.exact };
            let rules = match route.account {
                None => &mut ending.of_any,
                Some(account) => {
                    let at = match ending.of_account.binary_search_by_key(&account, |(only, _)| *only) {
                        Ok(at) => at,
                        Err(at) => {
                            ending.of_account.insert(at, (account, Vec::new()));
                            at
                        }
                    };
                    &mut ending.of_account[at].1
                }
            };
            if rules.last() != Some(&rule) {
                rules.push(rule);
            }
        }
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

impl Rule {
    fn first(&self, pick: u64) -> u16 {
        let Some(total) = self.weights.last() else { return 0 };
        let pick = pick % total;
        self.weights.iter().position(|sum| pick < *sum).unwrap_or(0) as u16
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

fn order(to: &[RouteTarget]) -> (Vec<CarrierId>, Vec<u64>) {
    let mut targets = to.to_vec();
    let weighted = targets.iter().all(|target| target.weight.is_some());
    if weighted {
        targets.sort_by_key(|target| std::cmp::Reverse(target.weight));
    }
    let mut sum = 0;
    let weights = targets.iter().filter_map(|target| target.weight).map(|weight| {
        sum += u64::from(weight.get());
        sum
    });
    let weights = if weighted { weights.collect() } else { Vec::new() };
    (targets.iter().map(|target| target.carrier).collect(), weights)
}

/// A number without its leading `+` or `00`; anything else as it is.
#[must_use]
pub fn significant(address: &[u8]) -> &[u8] {
    let rest = address.strip_prefix(b"+").or_else(|| address.strip_prefix(b"00")).unwrap_or(address);
    if rest.first().is_some_and(u8::is_ascii_digit) { rest } else { address }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const ACME: AccountId = AccountId(0);
    const ZETA: AccountId = AccountId(1);

    fn pattern(text: &str) -> Pattern {
        match text.strip_suffix('*') {
            Some(prefix) => Pattern { text: prefix.to_owned(), is_prefix: true },
            None => Pattern { text: text.to_owned(), is_prefix: false },
        }
    }

    fn route(account: Option<AccountId>, destination: Option<&str>, to: &[u16]) -> Route {
        Route {
            account,
            destination: destination.map(|text| vec![pattern(text)]),
            source: None,
            to: to.iter().map(|carrier| RouteTarget { carrier: CarrierId(*carrier), weight: None }).collect(),
        }
    }

    fn table(routes: &[Route]) -> RouteTable {
        let mut table = RouteTable { rules: Vec::new(), nodes: vec![Node::default()] };
        for route in routes {
            table.add(route);
        }
        table
    }

    fn carriers(table: &RouteTable, account: AccountId, destination: &str) -> Vec<u16> {
        let mut choice = table.choose(account, destination.as_bytes(), b"ACME", 0);
        let mut tried = Vec::new();
        while let Some(carrier) = choice.as_mut().and_then(|choice| table.next_carrier(choice)) {
            tried.push(carrier.0);
        }
        tried
    }

    #[test]
    fn the_first_rule_of_the_file_decides_whatever_its_length() {
        let table = table(&[
            route(Some(ACME), Some("49*"), &[1, 0]),
            route(None, Some("4917*"), &[2]),
            route(None, Some("447700900001"), &[3]),
            route(None, None, &[4]),
        ]);
        assert_eq!(carriers(&table, ACME, "4917123"), [1, 0]);
        assert_eq!(carriers(&table, ZETA, "4917123"), [2]);
        assert_eq!(carriers(&table, ZETA, "+4917123"), [2]);
        assert_eq!(carriers(&table, ZETA, "004917123"), [2]);
        assert_eq!(carriers(&table, ZETA, "447700900001"), [3]);
        assert_eq!(carriers(&table, ZETA, "4477009000012"), [4]);
        assert_eq!(carriers(&table, ZETA, ""), [4]);
    }

    #[test]
    fn no_rule_is_no_carrier() {
        let table = table(&[route(None, Some("49*"), &[1])]);
        assert_eq!(carriers(&table, ACME, "44"), Vec::<u16>::new());
    }

    #[test]
    fn a_source_that_does_not_match_leaves_the_decision_to_a_later_rule() {
        let mut first = route(None, Some("49*"), &[1]);
        first.source = Some(vec![pattern("bank*")]);
        let table = table(&[first, route(None, None, &[2])]);
        assert_eq!(table.choose(ACME, b"49", b"BANK1", 0).map(|choice| choice.rule), Some(0));
        assert_eq!(table.choose(ACME, b"49", b"shop", 0).map(|choice| choice.rule), Some(1));
    }

    #[test]
    fn weights_choose_the_first_try_and_the_rest_follow_by_weight() {
        let weigh = |carrier, weight| RouteTarget { carrier: CarrierId(carrier), weight: NonZeroU32::new(weight) };
        let mut rule = route(None, None, &[]);
        rule.to = vec![weigh(7, 20), weigh(8, 70), weigh(9, 10)];
        let table = table(&[rule]);
        let tried = |pick| {
            let mut choice = table.choose(ACME, b"1", b"", pick).unwrap();
            std::iter::from_fn(|| table.next_carrier(&mut choice)).map(|carrier| carrier.0).collect::<Vec<_>>()
        };
        assert_eq!(tried(0), [8, 7, 9]);
        assert_eq!(tried(69), [8, 7, 9]);
        assert_eq!(tried(70), [7, 8, 9]);
        assert_eq!(tried(99), [9, 8, 7]);
        assert_eq!(tried(100), [8, 7, 9]);
    }
}
