//! A carrier's refusals by command_status: the specification's one by one, and whatever else a carrier makes up under two labels.

use std::collections::BTreeMap;

use metrics::{Counter, counter};

/// Only what was seen once takes room.
#[derive(Clone, Debug, Default)]
pub struct Refusals(BTreeMap<u16, u64>);

impl Refusals {
    const OTHER: u16 = 0x100;
    const VENDOR: u16 = 0x400;

    pub fn count(&mut self, status: u32) {
        let status = match status {
            0..=0xFF => status as u16,
            0x400..=0x4FF => Self::VENDOR,
            _ => Self::OTHER,
        };
        *self.0.entry(status).or_default() += 1;
    }
}

/// The handles behind them, looked up when a status is first seen.
pub struct RefusalMetrics {
    carrier: String,
    handles: BTreeMap<u16, Counter>,
}

impl RefusalMetrics {
    pub(super) const NAME: &str = "trunkline_carrier_refusals_total";

    #[must_use]
    pub fn new(carrier: &str) -> Self {
        Self { carrier: carrier.to_owned(), handles: BTreeMap::new() }
    }

    /// `name` is the specification's for a status.
    pub fn publish(&mut self, refusals: &Refusals, name: impl Fn(u32) -> Option<&'static str>) {
        for (status, count) in &refusals.0 {
            let handle = self.handles.entry(*status).or_insert_with(|| {
                let label = match *status {
                    Refusals::VENDOR => "vendor".to_owned(),
                    Refusals::OTHER => "other".to_owned(),
                    status => name(status.into()).map_or_else(|| format!("0x{status:02X}"), str::to_owned),
                };
                counter!(Self::NAME, "carrier" => self.carrier.clone(), "status" => label)
            });
            handle.absolute(*count);
        }
    }
}
