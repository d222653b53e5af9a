//! Of the last minutes, how long each stage of a message took: within how long half of what came between two looks was done, and within
//! how long 99 of 100.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};

use crate::engine::snapshot::Snapshot;
use crate::metrics::Latencies;
use crate::runtime::admin::recent::{last, push, rounded};

const BUCKETS: usize = Latencies::MICROS.len() + 1;
type Buckets = [u64; BUCKETS];

/// Where one is counted, on one shard.
type Counted = fn(&Snapshot) -> Buckets;

static STAGES: [(&str, Counted); 6] = [
    ("submit", |of| sum(of.accounts.iter().map(|account| &account.counts.answered))),
    ("queue", |of| sum(of.carriers.iter().map(|carrier| &carrier.counts.queued_for))),
    ("carrier", |of| sum(of.carriers.iter().map(|carrier| &carrier.counts.answered))),
    ("delivery", |of| sum(of.accounts.iter().map(|account| &account.counts.acknowledged))),
    ("commit", |of| *of.counts.committed.buckets()),
    ("lag", |of| *of.counts.lag.buckets()),
];

#[derive(Default)]
pub struct Stages([Stage; STAGES.len()]);

#[derive(Default)]
struct Stage {
    /// What each shard had counted when it was seen last.
    seen: Vec<Option<Buckets>>,
    /// In milliseconds.
    rows: VecDeque<[f32; 2]>,
}

impl Stages {
    pub fn add(&mut self, snapshots: &[Option<Snapshot>]) {
        for (stage, (_, of)) in self.0.iter_mut().zip(&STAGES) {
            stage.add(snapshots.iter().map(|snapshot| snapshot.as_ref().map(of)));
        }
    }

    /// The last so many rows.
    #[must_use]
    pub fn shown(&self, count: usize) -> Value {
        let column = |stage: &Stage, at: usize| last(&stage.rows, count).map(|row| rounded(row[at])).collect::<Value>();
        let stages = STAGES.iter().zip(&self.0);
        let stages = stages.map(|((name, _), stage)| {
            ((*name).to_owned(), json!({ "p50_ms": column(stage, 0), "p99_ms": column(stage, 1) }))
        });
        Value::Object(stages.collect::<Map<_, _>>())
    }
}

impl Stage {
    fn add(&mut self, by_shard: impl Iterator<Item = Option<Buckets>>) {
        let mut came = [0; BUCKETS];
        for (shard, counted) in by_shard.enumerate() {
            if self.seen.len() == shard {
                self.seen.push(None);
            }
            let Some(counted) = counted else { continue };
            let Some(before) = self.seen[shard].replace(counted) else { continue };
            for (came, (counted, before)) in came.iter_mut().zip(counted.iter().zip(before)) {
                *came += counted.saturating_sub(before);
            }
        }
        push(&mut self.rows, [within(&came, 0.5), within(&came, 0.99)]);
    }
}

fn sum<'a>(each: impl Iterator<Item = &'a Latencies>) -> Buckets {
    each.fold([0; BUCKETS], |mut sum, latencies| {
        sum.iter_mut().zip(latencies.buckets()).for_each(|(sum, count)| *sum += count);
        sum
    })
}

/// Within how many milliseconds this share was done, as far as the buckets tell; no number when there was nothing.
fn within(buckets: &Buckets, share: f64) -> f32 {
    let wanted = buckets.iter().sum::<u64>() as f64 * share;
    let (mut below, mut from) = (0.0, 0.0);
    for (count, bound) in buckets.iter().zip(Latencies::MICROS) {
        let (count, bound) = (*count as f64, f64::from(bound));
        if count > 0.0 && below + count >= wanted {
            return ((from + (bound - from) * (wanted - below) / count) / 1_000.0) as f32;
        }
        (below, from) = (below + count, bound);
    }
    if wanted > 0.0 { (from / 1_000.0) as f32 } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(usize, u64)]) -> Buckets {
        let mut buckets = [0; BUCKETS];
        counts.iter().for_each(|(at, count)| buckets[*at] = *count);
        buckets
    }

    #[test]
    fn a_share_lies_in_its_bucket_as_far_as_it_goes_into_it() {
        // Bounds: 0.25, 0.5, 1 ms; the last is 20 s.
        let close = |counts: &[(usize, u64)], share, expected: f32| {
            let found = within(&buckets(counts), share);
            assert!((found - expected).abs() < 0.001, "{found} is not {expected}");
        };
        close(&[(0, 100)], 0.5, 0.125);
        close(&[(0, 50), (2, 50)], 0.5, 0.25);
        close(&[(0, 50), (2, 50)], 0.99, 0.99);
        close(&[(BUCKETS - 1, 3)], 0.5, 20_000.0);
        assert!(within(&buckets(&[]), 0.99).is_nan());
    }

    #[test]
    fn each_shard_tells_of_what_came_since_it_was_seen_last() {
        let mut stage = Stage::default();
        stage.add([Some(buckets(&[(5, 1_000)])), None].into_iter());
        stage.add([Some(buckets(&[(5, 1_000), (0, 100)])), Some(buckets(&[(9, 7)]))].into_iter());
        stage.add([None, Some(buckets(&[(9, 7)]))].into_iter());
        let shown: Vec<_> = stage.rows.iter().map(|row| rounded(row[0])).collect();
        assert_eq!(shown, [Value::Null, json!(0.13), Value::Null], "what was before the first look is not of it");
    }
}
