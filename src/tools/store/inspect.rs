//! What a store holds, told to people and to programs.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::runtime::store_files::StoreReading;
use crate::store::names::NameId;
use crate::store::record::NameKind;
use crate::store::segment::SegmentState;

/// Everything `store inspect` says. Damaged segments are not counted, nor listed but as damage.
#[derive(Debug, Serialize)]
pub struct StoreReport {
    store: String,
    segments: Vec<SegmentReport>,
    octets: u64,
    live_octets: u64,
    correlations: u64,
    early: u64,
    deliveries: u64,
    stored: u64,
    unrouted_mo: u64,
    oldest_age_seconds: Option<u64>,
    accounts: Vec<QueueReport>,
    carriers: Vec<QueueReport>,
    damage: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SegmentReport {
    file: String,
    journal: u16,
    sequence: u64,
    batches: u64,
    octets: u64,
    live_octets: u64,
    torn_tail: bool,
}

/// What lives of one account or carrier.
#[derive(Debug, Serialize)]
struct QueueReport {
    name: String,
    correlations: u64,
    early: u64,
    deliveries: u64,
    stored: u64,
    unrouted_mo: u64,
    oldest_age_seconds: Option<u64>,
}

impl StoreReport {
    /// `now` in Unix seconds.
    #[must_use]
    pub fn new(path: &Path, reading: &StoreReading, now: u64) -> Self {
        let recovered = &reading.recovered;
        let segment = |state: &SegmentState| SegmentReport {
            file: state.name.to_string(),
            journal: state.name.journal,
            sequence: state.name.sequence,
            batches: state.batches,
            octets: state.octets,
            live_octets: state.live,
            torn_tail: reading.torn.contains(&state.name),
        };
        let counts = recovered.counts();
        let queues = |kind: NameKind| -> Vec<QueueReport> {
            let ids = (0..counts.len() as u32).map(NameId).filter(|id| recovered.names.kind(*id) == kind);
            let queues = ids.map(|id| (id, counts[id.0 as usize])).filter(|(_, counts)| counts.oldest_born.is_some());
            let mut queues: Vec<_> = queues
                .map(|(id, counts)| QueueReport {
                    name: recovered.names.name(id).to_owned(),
                    correlations: counts.correlations,
                    early: counts.early,
                    deliveries: counts.deliveries,
                    stored: counts.stored,
                    unrouted_mo: counts.unrouted,
                    oldest_age_seconds: counts.oldest_born.map(|born| now.saturating_sub(born.into())),
                })
                .collect();
            queues.sort_by(|one, next| one.name.cmp(&next.name));
            queues
        };
        let (accounts, carriers) = (queues(NameKind::Account), queues(NameKind::Carrier));
        Self {
            store: path.display().to_string(),
            octets: recovered.segments().iter().map(|segment| segment.octets).sum(),
            live_octets: recovered.segments().iter().map(|segment| segment.live).sum(),
            segments: recovered.segments().iter().map(segment).collect(),
            correlations: accounts.iter().map(|queue| queue.correlations).sum(),
            early: carriers.iter().map(|queue| queue.early).sum(),
            deliveries: accounts.iter().map(|queue| queue.deliveries).sum(),
            stored: accounts.iter().map(|queue| queue.stored).sum(),
            unrouted_mo: carriers.iter().map(|queue| queue.unrouted_mo).sum(),
            oldest_age_seconds: accounts.iter().chain(&carriers).filter_map(|queue| queue.oldest_age_seconds).max(),
            accounts,
            carriers,
            damage: reading.damage.iter().map(ToString::to_string).collect(),
        }
    }

    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        // A value of ours has no key that is no string.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl fmt::Display for StoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, segments, octets, live_octets, .. } = self;
        writeln!(f, "store {store}: {} segments, {octets} octets, {live_octets} of them live", segments.len())?;
        for segment in segments {
            let SegmentReport { file, batches, octets, live_octets, torn_tail, .. } = segment;
            let torn = if *torn_tail { "  torn tail" } else { "" };
            writeln!(f, "  {file}  {batches:>8} batches  {octets:>10} octets  {live_octets:>10} live{torn}")?;
        }
        let oldest = Age(self.oldest_age_seconds);
        writeln!(
            f,
            "live: {} correlations, {} early receipts, {} deliveries, {} stored submits, {} unrouted MO{oldest}",
            self.correlations, self.early, self.deliveries, self.stored, self.unrouted_mo
        )?;
        for queue in &self.accounts {
            let QueueReport { name, correlations, deliveries, stored, .. } = queue;
            let oldest = Age(queue.oldest_age_seconds);
            let held = format!("{correlations} correlations, {deliveries} deliveries, {stored} stored submits");
            writeln!(f, "  account {name}: {held}{oldest}")?;
        }
        for queue in &self.carriers {
            let QueueReport { name, correlations, early, unrouted_mo, .. } = queue;
            let oldest = Age(queue.oldest_age_seconds);
            let held = format!("{correlations} correlations, {early} early receipts, {unrouted_mo} unrouted MO");
            writeln!(f, "  carrier {name}: {held}{oldest}")?;
        }
        for damage in &self.damage {
            writeln!(f, "damage: {damage}")?;
        }
        if self.damage.is_empty() { writeln!(f, "no damage") } else { Ok(()) }
    }
}

/// How old the oldest is, in two units.
struct Age(Option<u64>);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(seconds) = self.0 else { return Ok(()) };
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, ", oldest {seconds}s"),
            (0, 0, _) => write!(f, ", oldest {minutes}m{:02}s", seconds % 60),
            (0, _, _) => write!(f, ", oldest {hours}h{:02}m", minutes % 60),
            (_, _, _) => write!(f, ", oldest {days}d{:02}h", hours % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_two_units() {
        let told = |seconds| Age(Some(seconds)).to_string();
        let ages = [told(59), told(61), told(3_600), told(2 * 86_400 + 7_200)];
        assert_eq!(ages, [", oldest 59s", ", oldest 1m01s", ", oldest 1h00m", ", oldest 2d02h"]);
        assert_eq!(Age(None).to_string(), "");
    }
}
