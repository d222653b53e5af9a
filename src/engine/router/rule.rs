//! One rule of the table: what it asks besides account and destination, and the order in which its carriers are tried.

use std::ops::RangeInclusive;

use super::Query;
use crate::config::{CarrierId, Choose, MobileNetwork, NetworkCondition, Pattern, Route};
use crate::engine::loads::Loads;
use crate::engine::time::Instant;

/// Which rule decided and which of its carriers have been tried; kept with the submit until it is settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RouteChoice {
    pub(super) rule: u32,
    /// Of the table that made it.
    pub(super) generation: u8,
    /// The first to try is one of these two, the less loaded one.
    first: u8,
    or_first: u8,
    /// One of them has been tried.
    is_begun: bool,
    /// A bit for each carrier of the rule that is not to be tried, or not again.
    tried: u64,
}

impl RouteChoice {
    /// The rule's place in the file.
    #[must_use]
    pub fn rule(&self) -> u32 {
        self.rule
    }
}

#[derive(Debug)]
pub(super) struct Rule {
    source: Option<Vec<Pattern>>,
    further: Option<Box<Further>>,
    choose: Choose,
    /// By preference; weighted ones by falling weight. At most 64.
    carriers: Vec<CarrierId>,
    /// A bit for each that takes no new message; never all of them.
    draining: u64,
    /// Running sums of the weights; empty when nothing is weighed.
    weights: Vec<u64>,
}

/// What few rules ask for.
#[derive(Debug)]
struct Further {
    data_coding: Option<Vec<RangeInclusive<u8>>>,
    network: Option<NetworkCondition>,
}

impl Rule {
    pub(super) fn new(route: &Route) -> Self {
        let mut targets = route.to.clone();
        if route.choose == Choose::Weight {
            targets.sort_by_key(|target| std::cmp::Reverse(target.weight));
        }
        let mut sum = 0;
        let weights = targets.iter().filter_map(|target| target.weight).map(|weight| {
            sum += u64::from(weight);
            sum
        });
        let weights = if route.choose == Choose::Weight { weights.collect() } else { Vec::new() };
        let bit = |(at, is_draining): (usize, bool)| u64::from(is_draining) << at;
        let draining = targets.iter().map(|target| target.is_draining()).enumerate().map(bit).sum();
        let (data_coding, network) = (route.when.data_coding.clone(), route.when.network.clone());
        Self {
            source: route.when.source.clone(),
            further: (data_coding.is_some() || network.is_some()).then(|| Box::new(Further { data_coding, network })),
            choose: route.choose,
            carriers: targets.iter().map(|target| target.carrier).collect(),
            draining,
            weights,
        }
    }

    /// One that names this carrier alone.
    pub(super) fn only(carrier: CarrierId) -> Self {
        let carriers = vec![carrier];
        Self { source: None, further: None, choose: Choose::Order, carriers, draining: 0, weights: Vec::new() }
    }

    pub(super) fn is_met_by<'n>(
        &self,
        query: &Query<'_>,
        network_of_destination: impl FnOnce() -> Option<&'n MobileNetwork>,
    ) -> bool {
        let source = self.source.as_ref();
        if source.is_some_and(|patterns| !patterns.iter().any(|pattern| pattern.matches(query.source))) {
            return false;
        }
        let Some(further) = &self.further else { return true };
        let codings = further.data_coding.as_ref();
        codings.is_none_or(|codings| codings.iter().any(|range| range.contains(&query.data_coding)))
            && further.network.as_ref().is_none_or(|network| network.is_met_by(network_of_destination()))
    }

    pub(super) fn choose(&self, rule: u32, pick: u64) -> RouteChoice {
        let (first, or_first) = match self.choose {
            Choose::Order => {
                let first = (!self.draining).trailing_zeros() as usize;
                (first, first)
            }
            Choose::Weight => {
                let pick = self.weights.last().and_then(|total| pick.checked_rem(*total)).unwrap_or(0);
                let first = self.weights.iter().position(|sum| pick < *sum).unwrap_or(0);
                (first, first)
            }
            Choose::LeastLoaded => self.two_of(pick),
        };
        let generation = 0;
        RouteChoice {
            rule,
            generation,
            first: first as u8,
            or_first: or_first as u8,
            is_begun: false,
            tried: self.draining,
        }
    }

    pub(super) fn begin_with(&self, choice: &mut RouteChoice, carrier: CarrierId) {
        if let Some(at) = self.position(carrier) {
            (choice.first, choice.or_first) = (at as u8, at as u8);
        }
    }

    pub(super) fn take(&self, choice: &mut RouteChoice, carrier: CarrierId) -> bool {
        let bit = self.position(carrier).map_or(0, |at| 1 << at);
        let is_untried = bit & !choice.tried != 0;
        choice.is_begun |= is_untried;
        choice.tried |= bit;
        is_untried
    }

    pub(super) fn next_carrier(&self, choice: &mut RouteChoice, loads: &Loads, now: Instant) -> Option<CarrierId> {
        let load = |at: &usize| loads.of(self.carriers[*at], now);
        let mut untried = (0..self.carriers.len()).filter(|at| choice.tried & 1 << at == 0);
        let at = if !choice.is_begun {
            let (first, other) = (usize::from(choice.first), usize::from(choice.or_first));
            if first != other && load(&other) < load(&first) { other } else { first }
        } else if self.choose == Choose::LeastLoaded {
            untried.min_by_key(load)?
        } else {
            untried.next()?
        };
        choice.is_begun = true;
        choice.tried |= 1 << at;
        self.carriers.get(at).copied()
    }

    fn position(&self, carrier: CarrierId) -> Option<usize> {
        self.carriers.iter().position(|at| *at == carrier)
    }

    /// Two different ones that are not draining, when there are two.
    fn two_of(&self, pick: u64) -> (usize, usize) {
        let count = (self.carriers.len() - self.draining.count_ones() as usize).max(1);
        let first = pick as usize % count;
        let other = match count {
            1 => first,
            _ => (first + 1 + pick as usize / count % (count - 1)) % count,
        };
        let open = |nth| (0..self.carriers.len()).filter(|at| self.draining & 1 << at == 0).nth(nth).unwrap_or(0);
        (open(first), open(other))
    }
}
