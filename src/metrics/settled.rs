//! What became of an account's submits, carrier by carrier.

use std::collections::BTreeMap;

use metrics::{Counter, counter};

use super::SettledAs;

/// By the carrier's number. A few carriers have all of an account's submits, so they are looked through.
#[derive(Clone, Debug, Default)]
pub struct Settled(Vec<(u16, [u64; SettledAs::COUNT])>);

impl Settled {
    pub fn count(&mut self, carrier: u16, how: SettledAs) {
        let at = self.0.iter().position(|(known, _)| *known == carrier).unwrap_or_else(|| {
            self.0.push((carrier, [0; SettledAs::COUNT]));
            self.0.len() - 1
        });
        self.0[at].1[how as usize] += 1;
    }

    /// Of all carriers.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().flat_map(|(_, counts)| counts).sum()
    }
}

/// The handles behind them, looked up when a carrier first has one of the account's submits.
pub struct SettledMetrics {
    account: String,
    handles: BTreeMap<u16, [Counter; SettledAs::COUNT]>,
}

impl SettledMetrics {
    pub(super) const NAME: &str = "trunkline_submits_settled_total";

    #[must_use]
    pub fn new(account: &str) -> Self {
        Self { account: account.to_owned(), handles: BTreeMap::new() }
    }

    /// `name` is a carrier's.
    pub fn publish<'a>(&mut self, settled: &Settled, name: impl Fn(u16) -> &'a str) {
        for (carrier, counts) in &settled.0 {
            let handles = self.handles.entry(*carrier).or_insert_with(|| {
                let (account, carrier) = (&self.account, name(*carrier).to_owned());
                SettledAs::ALL.map(|how| {
                    let (account, carrier) = (account.clone(), carrier.clone());
                    counter!(Self::NAME, "account" => account, "carrier" => carrier, "status" => how.label())
                })
            });
            handles.iter().zip(counts).for_each(|(handle, count)| handle.absolute(*count));
        }
    }
}
