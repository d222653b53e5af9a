//! Why a submit goes where it goes, in words: which route decides, what the ones before it asked for in vain, and which
//! carriers it tries. It looks at every route in order, as the documentation says, and so is a check on the table too.

use std::fmt;

use super::{Query, significant};
use crate::config::{
    self, Accounts, CarrierState, Choose, Conditions, Config, MobileNetwork, Pattern, Route, RouteTarget,
};

/// What a route asks for and does not get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Miss {
    Account,
    Group,
    Destination,
    Source,
    DataCoding,
    Network,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "another account",
            Self::Group => "another group",
            Self::Destination => "another destination",
            Self::Source => "another source",
            Self::DataCoding => "another data_coding",
            Self::Network => "another network",
        })
    }
}

/// Which route decides, and why: lines for an operator to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// Its position; `None`: the submit is refused with ESME_RINVDSTADR.
    pub route: Option<usize>,
    pub text: String,
}

#[must_use]
pub fn explain(config: &Config, query: &Query<'_>) -> Explanation {
    let network = config.numbers.as_ref().and_then(|numbers| numbers.find(query.destination));
    let mut lines = Vec::new();
    match (&config.numbers, network) {
        (Some(_), Some(network)) => lines.push(format!("network: {network}")),
        (Some(_), None) => lines.push("network: unknown, no range of `numbers` holds it".to_owned()),
        (None, _) => {}
    }
    let mut decides = None;
    for (at, route) in config.routes.iter().enumerate() {
        let words = config::route_in_words(config, route);
        match first_miss(config, &route.when, query, network) {
            Some(miss) => lines.push(format!("routes[{at}] is for {miss}: {words}")),
            None => {
                lines.push(format!("routes[{at}] decides: {words}"));
                lines.push(how_tried(config, route));
                decides = Some(at);
                break;
            }
        }
    }
    if decides.is_none() {
        lines.push("no route matches: refused with ESME_RINVDSTADR".to_owned());
    }
    Explanation { route: decides, text: lines.join("\n") + "\n" }
}

/// Why a message is refused before routes are looked at: what its account may not.
#[must_use]
pub fn refused_before(config: &Config, query: &Query<'_>) -> Vec<&'static str> {
    let account = config.account(query.account);
    let allows = |patterns: &Option<Vec<Pattern>>, address: &[u8]| {
        patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(address)))
    };
    let checks = [
        (account.enabled, "the account is not enabled: it cannot bind"),
        (account.submit, "the account may not submit"),
        (allows(&account.destinations, query.destination), "the account may not send there (`destinations`)"),
        (
            account.force_sender.is_some() || allows(&account.senders, query.source),
            "the account may not send as that (`senders`)",
        ),
    ];
    checks.iter().filter(|(is_allowed, _)| !is_allowed).map(|(_, words)| *words).collect()
}

fn first_miss(config: &Config, when: &Conditions, query: &Query<'_>, network: Option<&MobileNetwork>) -> Option<Miss> {
    let any_matches = |patterns: &Option<Vec<Pattern>>, address: &[u8]| {
        patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(address)))
    };
    let codings = when.data_coding.as_ref();
    let misses = [
        (
            if matches!(when.accounts, Accounts::Groups(_)) { Miss::Group } else { Miss::Account },
            when.accounts.include(query.account, config.account(query.account)),
        ),
        (Miss::Destination, any_matches(&when.destination, significant(query.destination))),
        (Miss::Source, any_matches(&when.source, query.source)),
        (
            Miss::DataCoding,
            codings.is_none_or(|codings| codings.iter().any(|range| range.contains(&query.data_coding))),
        ),
        (Miss::Network, when.network.as_ref().is_none_or(|condition| condition.is_met_by(network))),
    ];
    misses.into_iter().find_map(|(miss, is_met)| (!is_met).then_some(miss))
}

fn how_tried(config: &Config, route: &Route) -> String {
    let open: Vec<&RouteTarget> = route.to.iter().filter(|target| !target.is_draining()).collect();
    let name = |target: &RouteTarget| {
        let carrier = config.carrier(target.carrier);
        match carrier.state {
            CarrierState::Active => carrier.name.clone(),
            CarrierState::Drain => format!("{} (state: drain, so it never takes any)", carrier.name),
            CarrierState::Off => format!("{} (state: off, so it never takes any)", carrier.name),
        }
    };
    let mut names: Vec<String> = open.iter().map(|target| name(target)).collect();
    if let [alone] = names.as_slice() {
        return format!("only one carrier: {alone}");
    }
    match route.choose {
        Choose::Order => format!("tried in this order: {}", names.join(", ")),
        Choose::LeastLoaded => {
            format!("first the less loaded of two drawn from these, then the others by load: {}", names.join(", "))
        }
        Choose::Weight => {
            let mut open = open;
            open.sort_by_key(|target| std::cmp::Reverse(target.weight));
            let total: u64 = open.iter().filter_map(|target| target.weight).map(u64::from).sum();
            let share = |target: &&RouteTarget| {
                let weight = f64::from(target.weight.unwrap_or(0));
                format!("{} {:.1} %", name(target), weight * 100.0 / total as f64)
            };
            names = open.iter().map(share).collect();
            format!("first one drawn with these chances, then the others in this order: {}", names.join(", "))
        }
    }
}
