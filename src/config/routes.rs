//! The `routes` and `mo` sections: which carrier takes a submit, and whose a mobile originated message is.

use std::collections::HashSet;
use std::sync::Arc;

use super::numbers::Numbers;
use super::raw::Node;
use super::reader::{Fields, Reading, Value, shown_key};
use super::scalars::{choice, whole};
use super::validate::Names;
use super::{
    AccountId, Accounts, CarrierId, Choose, Config, Keyword, MoRoute, Pattern, Route, RouteTarget, conditions,
};

/// No message is offered to more carriers than this, and what was tried fits one word.
const MOST_CARRIERS: usize = 64;

pub(super) fn read(value: &Value<'_>, names: &Names<'_>, numbers: Option<&Arc<Numbers>>) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut unreachable = Unreachable::default();
    for element in list(value) {
        let route = element.fields(|fields| {
            let when = fields.optional("when", |when| conditions::read(when, names, numbers)).unwrap_or_default();
            let to = fields.required("to");
            let targets = to.as_ref().map(|to| read_targets(to, names)).unwrap_or_default();
            let choose = read_choose(fields, to.as_ref(), &targets);
            Route { when, choose, to: targets }
        });
        let Some(route) = route else { continue };
        unreachable.look(&element, route.when.is_any());
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
        let is_any = |list: &Option<Vec<Pattern>>| list.as_ref().is_none_or(|list| list.iter().any(Pattern::is_any));
        let is_anyones = route.carrier.is_none() && route.keyword.is_none();
        unreachable.look(&element, is_anyones && is_any(&route.destination) && is_any(&route.source));
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
    let (mut named, mut groups) = (HashSet::new(), HashSet::new());
    for route in &config.routes {
        match &route.when.accounts {
            Accounts::All => return,
            Accounts::Named(ids) => named.extend(ids.iter().map(|id| id.index())),
            Accounts::Groups(names) => groups.extend(names),
        }
    }
    // By index: an id names nothing when its account could not be read.
    for (i, account) in config.accounts.iter().enumerate() {
        let is_routed = named.contains(&i) || account.group.as_ref().is_some_and(|group| groups.contains(group));
        if account.submit && !is_routed {
            let path = format!("accounts.{}", shown_key(&account.name));
            reading.warn(path, "no route takes its submits: they are refused with ESME_RINVDSTADR");
        }
    }
}

impl Names<'_> {
    pub(super) fn account(&self, name: &str) -> Result<AccountId, String> {
        self.accounts.get(name).copied().ok_or_else(|| "names no account".to_owned())
    }

    pub(super) fn group(&self, name: &str) -> Result<String, String> {
        let known = self.groups.contains_key(name).then(|| name.to_owned());
        known.ok_or_else(|| "names a group that no account is in".to_owned())
    }

    fn carrier(&self, name: &str) -> Result<CarrierId, String> {
        self.carriers.get(name).copied().ok_or_else(|| "names no carrier".to_owned())
    }
}

/// What a route of MO asks for; `Who` is a carrier.
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
    if targets.len() > MOST_CARRIERS {
        value.problem(format!("names more than {MOST_CARRIERS} carriers"));
    }
    if !targets.is_empty() && targets.iter().all(RouteTarget::is_draining) {
        value.problem(
            "has only weights of 0: a carrier that is draining is never tried, so this route would take nothing",
        );
    }
    targets
}

fn read_choose(fields: &mut Fields<'_>, to: Option<&Value<'_>>, targets: &[RouteTarget]) -> Choose {
    let words = [("order", Choose::Order), ("weight", Choose::Weight), ("least_loaded", Choose::LeastLoaded)];
    let written = fields.parse("choose", choice(&words));
    // A weight of 0 says "draining" however the others are chosen.
    let is_weighed = targets.iter().any(|target| target.weight.is_some_and(|weight| weight > 0));
    let choose = written.unwrap_or(if is_weighed { Choose::Weight } else { Choose::Order });
    let Some(to) = to else { return choose };
    match choose {
        Choose::Weight if targets.iter().any(|target| target.weight.is_none()) => {
            to.problem("has a weight on some carriers only: give all of them one, or none");
        }
        Choose::Order | Choose::LeastLoaded if is_weighed => {
            to.problem("has weights, which only `choose: weight` looks at; 0 alone may stand with another");
        }
        Choose::Order | Choose::Weight | Choose::LeastLoaded => {}
    }
    choose
}

fn read_target(value: &Value<'_>, names: &Names<'_>) -> Option<RouteTarget> {
    if !matches!(value.node, Node::Map(_)) {
        let carrier = value.parse(|name| names.carrier(name))?;
        return Some(RouteTarget { carrier, weight: None });
    }
    value.fields(|fields| {
        let weight = fields.parse("weight", whole(0..=u64::from(u32::MAX)));
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
    fn look(&mut self, element: &Value<'_>, takes_everything: bool) {
        match &self.catch_all {
            Some(catch_all) if !self.is_told => {
                element.warn(format!("is never reached, nor is any after it: {catch_all} matches everything"));
                self.is_told = true;
            }
            Some(_) => {}
            None if takes_everything => self.catch_all = Some(element.path.clone()),
            None => {}
        }
    }
}
