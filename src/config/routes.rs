//! The `routes` and `mo` sections: which carrier takes a submit, and whose a mobile originated message is.

use std::collections::HashSet;

use super::raw::Node;
use super::reader::{Fields, Reading, Value, shown_key};
use super::scalars::positive_u32;
use super::validate::Names;
use super::{AccountId, CarrierId, Config, Keyword, MoRoute, Pattern, Route, RouteTarget};

pub(super) fn read(value: &Value<'_>, names: &Names<'_>) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut unreachable = Unreachable::default();
    for element in list(value) {
        let route = element.fields(|fields| {
            let when = fields.optional("when", |when| When::read(when, "account", |name| names.account(name)));
            let (account, destination, source) = when.unwrap_or_default().into_parts();
            let to = fields.required("to").map(|to| read_targets(&to, names)).unwrap_or_default();
            Route { account, destination, source, to }
        });
        let Some(route) = route else { continue };
        unreachable.look(&element, route.account.is_none(), &route.destination, &route.source);
        routes.push(route);
    }
    routes
}

pub(super) fn read_mo(value: &Value<'_>, names: &Names<'_>) -> Vec<MoRoute> {
    let mut routes = Vec::new();
    let mut unreachable = Unreachable::default();
    for element in list(value) {
        let route = element.fields(|fields| {
            let when = fields.optional("when", |when| {
                (When::read(when, "carrier", |name| names.carrier(name)), read_keywords(when))
            });
            let (when, keyword) = when.unwrap_or_default();
            let (carrier, destination, source) = when.into_parts();
            let to = fields.required("to")?.parse(|name| names.account(name))?;
            Some(MoRoute { carrier, destination, source, keyword, to })
        });
        let Some(Some(route)) = route else { continue };
        let is_anyones = route.carrier.is_none() && route.keyword.is_none();
        unreachable.look(&element, is_anyones, &route.destination, &route.source);
        routes.push(route);
    }
    routes
}

/// Accounts whose submits go nowhere, and a node without accounts: allowed, as a file grows, but seldom meant.
pub(super) fn warn_of_idle(config: &Config, reading: &Reading<'_>) {
    if config.accounts.is_empty() {
        reading.warn("accounts", "there are none: nobody can bind");
        return;
    }
    if config.routes.is_empty() {
        reading.warn("routes", "there are none: every submit is refused with ESME_RINVDSTADR");
        return;
    }
    if config.routes.iter().any(|route| route.account.is_none()) {
        return;
    }
    // By index: an id names nothing when its account could not be read.
    let routed: HashSet<usize> = config.routes.iter().filter_map(|route| route.account).map(AccountId::index).collect();
    for (i, account) in config.accounts.iter().enumerate() {
        if account.submit && !routed.contains(&i) {
            let path = format!("accounts.{}", shown_key(&account.name));
            reading.warn(path, "no route takes its submits: they are refused with ESME_RINVDSTADR");
        }
    }
}

impl Names<'_> {
    fn account(&self, name: &str) -> Result<AccountId, String> {
        self.accounts.get(name).copied().ok_or_else(|| "names no account".to_owned())
    }

    fn carrier(&self, name: &str) -> Result<CarrierId, String> {
        self.carriers.get(name).copied().ok_or_else(|| "names no carrier".to_owned())
    }
}

/// What a route asks for; `Who` is an account, or for MO a carrier.
struct When<Who> {
    who: Option<Who>,
    destination: Option<Vec<Pattern>>,
    source: Option<Vec<Pattern>>,
}

impl<Who> Default for When<Who> {
    fn default() -> Self {
        Self { who: None, destination: None, source: None }
    }
}

impl<Who> When<Who> {
    fn read(when: &mut Fields<'_>, who: &'static str, named: impl Fn(&str) -> Result<Who, String>) -> Self {
        Self {
            who: when.parse(who, named),
            destination: read_patterns(when, "destination"),
            source: read_patterns(when, "source"),
        }
    }

    fn into_parts(self) -> (Option<Who>, Option<Vec<Pattern>>, Option<Vec<Pattern>>) {
        (self.who, self.destination, self.source)
    }
}

fn read_patterns(when: &mut Fields<'_>, key: &'static str) -> Option<Vec<Pattern>> {
    let value = when.take(key)?;
    let elements = value.elements();
    if value.is_empty_list() {
        value.problem("is empty, so this route never matches; remove the key for any address");
    }
    Some(elements.iter().filter_map(|element| element.parse(Pattern::parse)).collect())
}

fn read_keywords(when: &mut Fields<'_>) -> Option<Vec<Keyword>> {
    let value = when.take("keyword")?;
    if value.is_empty_list() {
        value.problem("is empty, so this route never matches; remove the key for any text");
    }
    Some(value.elements().iter().filter_map(|element| element.parse(Keyword::parse)).collect())
}

fn read_targets(value: &Value<'_>, names: &Names<'_>) -> Vec<RouteTarget> {
    let elements = value.elements();
    if value.is_empty_list() {
        value.problem("must name at least one carrier");
    }
    let mut targets: Vec<RouteTarget> = Vec::new();
    for element in &elements {
        let Some(target) = read_target(element, names) else { continue };
        if targets.iter().any(|other| other.carrier == target.carrier) {
            element.problem("names a carrier that this route has already");
        }
        targets.push(target);
    }
    let weighted = targets.iter().filter(|target| target.weight.is_some()).count();
    if weighted != 0 && weighted != targets.len() {
        value.problem("has a weight on some carriers only: give all of them one, or none");
    }
    targets
}

fn read_target(value: &Value<'_>, names: &Names<'_>) -> Option<RouteTarget> {
    if !matches!(value.node, Node::Map(_)) {
        let carrier = value.parse(|name| names.carrier(name))?;
        return Some(RouteTarget { carrier, weight: None });
    }
    value.fields(|fields| {
        let weight = fields.parse("weight", positive_u32);
        let carrier = fields.required("carrier")?.parse(|name| names.carrier(name))?;
        Some(RouteTarget { carrier, weight })
    })?
}

/// The elements of a list that may also be a bare key, as when all its routes are commented out.
fn list<'a>(value: &Value<'a>) -> Vec<Value<'a>> {
    if *value.node == Node::Null { Vec::new() } else { value.elements() }
}

/// Warns once, at the first route that stands behind one that matches everything.
#[derive(Default)]
struct Unreachable {
    catch_all: Option<String>,
    is_told: bool,
}

impl Unreachable {
    fn look(
        &mut self,
        element: &Value<'_>,
        anyone: bool,
        destination: &Option<Vec<Pattern>>,
        source: &Option<Vec<Pattern>>,
    ) {
        let is_any = |list: &Option<Vec<Pattern>>| list.as_ref().is_none_or(|list| list.iter().any(Pattern::is_any));
        match &self.catch_all {
            Some(catch_all) if !self.is_told => {
                element.warn(format!("is never reached, nor is any after it: {catch_all} matches everything"));
                self.is_told = true;
            }
            Some(_) => {}
            None if anyone && is_any(destination) && is_any(source) => self.catch_all = Some(element.path.clone()),
            None => {}
        }
    }
}
