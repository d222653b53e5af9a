//! `GET /status/recent`: the last five minutes of the status, so that a page that is opened only now has its plots.
//!
//! The admin thread looks at the shards every two seconds and keeps a row of numbers of each account, carrier and shard: few of
//! them, for there may be thousands of accounts. A page that says what it has (`?after=N`) gets what came since.

use std::array;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use glommio::timer::Timer;
use http_body_util::Full;
use hyper::{Response, StatusCode, Uri};
use serde_json::{Map, Value, json};

use crate::engine::snapshot::{AccountStatus, CarrierStatus, Snapshot};
use crate::metrics::{AnswerClass, ShardCounts};
use crate::runtime::admin::answer::{Refusal, json, refusal, shown};
use crate::runtime::admin::path;
use crate::runtime::admin::shards::Shards;
use crate::runtime::admin::stages::Stages;
use crate::runtime::admin::status::{Started, known_accounts, known_carriers};
use crate::runtime::clock;

/// How much lies between two looks.
const EVERY: Duration = Duration::from_secs(2);
const KEPT: usize = 150;

/// A number that is plotted, and where it is read.
struct Column<T> {
    name: &'static str,
    kind: Kind,
    of: fn(&T) -> u64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Of a count that only grows, how much came in a second.
    Rate,
    Level,
}

const fn rate<T>(name: &'static str, of: fn(&T) -> u64) -> Column<T> {
    Column { name, kind: Kind::Rate, of }
}

const fn level<T>(name: &'static str, of: fn(&T) -> u64) -> Column<T> {
    Column { name, kind: Kind::Level, of }
}

/// The first two are kept of each account, all of their sum.
static ACCOUNTS: [Column<AccountStatus>; 6] = [
    rate("submits", |status| status.counts.submits),
    rate("refused", |status| status.counts.refused.iter().sum()),
    rate("accepted", |status| status.counts.accepted),
    rate("delivered", |AccountStatus { counts, .. }| {
        counts.receipts_delivered + counts.mo_delivered + counts.events_told
    }),
    level("sessions", |status| status.counts.sessions_bound),
    level("deliveries", |status| status.counts.deliveries_queued + status.counts.events_queued),
];

static CARRIERS: [Column<CarrierStatus>; 6] = [
    rate("submits", |status| status.counts.submits_sent),
    rate("refused", |CarrierStatus { counts, .. }| {
        counts.answers.iter().sum::<u64>() - counts.answers[AnswerClass::Ok as usize] + counts.timeouts
    }),
    rate("receipts", |status| status.counts.receipts.iter().sum()),
    level("queued", |status| status.queued as u64),
    level("outstanding", |status| status.counts.outstanding),
    level("links", |status| status.counts.links_bound),
];

static SHARDS: [Column<ShardCounts>; 5] = [
    rate("pdus", |counts| counts.pdus_in.iter().sum()),
    rate("turns", |counts| counts.turns),
    rate("records", |counts| counts.records),
    rate("commits", |counts| counts.commits),
    // Of a core, in nanoseconds a second.
    rate("busy_ns", |counts| counts.busy_ns),
];

/// What is known of the last minutes.
#[derive(Default)]
pub struct Recent {
    /// When each look was that is kept, in Unix milliseconds.
    at_ms: VecDeque<u64>,
    /// How many there were.
    looks: u64,
    accounts: Family<2, { ACCOUNTS.len() }>,
    carriers: Family<{ CARRIERS.len() }, { CARRIERS.len() }>,
    shards: Family<{ SHARDS.len() }, { SHARDS.len() }>,
    stages: Stages,
}

/// Looks at the shards for as long as the process runs.
pub async fn keep(recent: Rc<RefCell<Recent>>, shards: Shards) {
    loop {
        Timer::new(EVERY).await;
        let snapshots = shards.snapshots().await;
        let (now, at) = (Duration::from_nanos(clock::monotonic_ns()), clock::since_unix_epoch());
        recent.borrow_mut().add(now, at.as_millis() as u64, &snapshots);
    }
}

impl Recent {
    /// Adds how the shards stand `now`, on a clock that never goes back, which was at `at_ms` by the calendar.
    fn add(&mut self, now: Duration, at_ms: u64, snapshots: &[Option<Snapshot>]) {
        self.looks += 1;
        push(&mut self.at_ms, at_ms);
        let known = || snapshots.iter().flatten();
        let accounts = known().flat_map(|of| {
            known_accounts(of).map(|status| {
                let id = status.account;
                (id.index(), of.config.account(id).name.as_str(), status)
            })
        });
        // Without one of the shards a sum would be of others than before.
        let is_whole = snapshots.iter().all(Option::is_some);
        self.accounts.add(&ACCOUNTS, now, accounts, is_whole);
        let carriers = known().flat_map(|of| {
            known_carriers(of).map(|status| {
                let id = status.carrier;
                (id.index(), of.config.carrier(id).name.as_str(), status)
            })
        });
        self.carriers.add(&CARRIERS, now, carriers, is_whole);
        let names: Vec<_> = (0..snapshots.len()).map(|shard| shard.to_string()).collect();
        let shards = known().map(|of| {
            let shard = usize::from(of.shard.0);
            (shard, names[shard].as_str(), &of.counts)
        });
        self.shards.add(&SHARDS, now, shards, is_whole);
        self.stages.add(snapshots);
    }

    #[must_use]
    pub fn answer(&self, uri: &Uri, started: Started) -> Response<Full<Bytes>> {
        match after(uri) {
            Ok(after) => json(self.shown(after, started).to_string()),
            Err(refusal) => shown(Err(refusal)),
        }
    }

    /// What came after the first so many looks, of what is kept.
    fn shown(&self, after: u64, started: Started) -> Value {
        let kept = self.at_ms.len() as u64;
        // Who says more than there were means another process's.
        let after = if after > self.looks { 0 } else { after };
        let (first, count) = (after.max(self.looks - kept), (self.looks - after).min(kept) as usize);
        json!({
            "started": started.0,
            "every_ms": EVERY.as_millis() as u64,
            "kept": KEPT,
            "first": first,
            "at_ms": last(&self.at_ms, count).collect::<Vec<_>>(),
            "accounts": self.accounts.shown(&ACCOUNTS, count),
            "carriers": self.carriers.shown(&CARRIERS, count),
            "shards": self.shards.shown(&SHARDS, count),
            "stages": self.stages.shown(count),
        })
    }
}

fn after(uri: &Uri) -> Result<u64, Refusal> {
    let [after] = path::query(uri, ["after"])?;
    let after = after.map_or(Ok(0), |after| after.parse());
    after.map_err(|_| refusal(StatusCode::BAD_REQUEST, "after: the number of looks that are known"))
}

/// The accounts, the carriers or the shards: the last numbers of each, in its first columns, and their sums in all of them.
struct Family<const EACH: usize, const ALL: usize> {
    each: BTreeMap<usize, Track<EACH, ALL>>,
    sums: VecDeque<[f32; ALL]>,
}

impl<const EACH: usize, const ALL: usize> Default for Family<EACH, ALL> {
    fn default() -> Self {
        Self { each: BTreeMap::new(), sums: VecDeque::new() }
    }
}

struct Track<const EACH: usize, const ALL: usize> {
    name: String,
    /// When it was last seen, and what its columns said.
    seen: Option<(Duration, [u64; ALL])>,
    /// The newest last; what is not known is no number.
    rows: VecDeque<[f32; EACH]>,
}

impl<const EACH: usize, const ALL: usize> Family<EACH, ALL> {
    fn add<'a, T: 'a>(
        &mut self,
        columns: &[Column<T>; ALL],
        now: Duration,
        seen: impl Iterator<Item = (usize, &'a str, &'a T)>,
        is_whole: bool,
    ) {
        for track in self.each.values_mut() {
            push(&mut track.rows, [f32::NAN; EACH]);
        }
        let mut sums = [f32::NAN; ALL];
        for (id, name, status) in seen {
            let track = self.each.entry(id).or_insert_with(|| {
                let rows = VecDeque::from([[f32::NAN; EACH]]);
                Track { name: name.to_owned(), seen: None, rows }
            });
            let row = track.read(columns, now, status);
            for (sum, number) in sums.iter_mut().zip(row).filter(|(_, number)| !number.is_nan()) {
                *sum = number + if sum.is_nan() { 0.0 } else { *sum };
            }
        }
        push(&mut self.sums, if is_whole { sums } else { [f32::NAN; ALL] });
        self.each.retain(|_, track| track.is_seen(now) || track.rows.iter().flatten().any(|number| !number.is_nan()));
    }

    /// What never was anything but zero is left out, for most accounts are quiet.
    fn shown<T>(&self, columns: &[Column<T>; ALL], count: usize) -> Value {
        let is_told = |track: &&Track<EACH, ALL>| last(&track.rows, count).flatten().any(|number| *number != 0.0);
        let each = self.each.values().filter(is_told);
        let each = each.map(|track| (track.name.clone(), by_column(columns, &track.rows, count)));
        json!({ "all": by_column(columns, &self.sums, count), "each": each.collect::<Map<_, _>>() })
    }
}

impl<const EACH: usize, const ALL: usize> Track<EACH, ALL> {
    fn is_seen(&self, now: Duration) -> bool {
        self.seen.is_some_and(|(at, _)| at == now)
    }

    /// Its numbers now, the first of which it keeps as its last row.
    fn read<T>(&mut self, columns: &[Column<T>; ALL], now: Duration, status: &T) -> [f32; ALL] {
        let counts = columns.each_ref().map(|column| (column.of)(status));
        let before = self.seen.replace((now, counts));
        let numbers = array::from_fn(|at| match (columns[at].kind, before) {
            (Kind::Level, _) => counts[at] as f32,
            (Kind::Rate, None) => f32::NAN,
            (Kind::Rate, Some((then, before))) => {
                let seconds = now.saturating_sub(then).as_secs_f32();
                counts[at].saturating_sub(before[at]) as f32 / seconds
            }
        });
        if let Some(row) = self.rows.back_mut() {
            row.copy_from_slice(&numbers[..EACH]);
        }
        numbers
    }
}

/// The columns by their names, of as many rows: what is younger has nothing in the first of them.
fn by_column<T, const WIDTH: usize>(columns: &[Column<T>], rows: &VecDeque<[f32; WIDTH]>, count: usize) -> Value {
    let missing = count.saturating_sub(rows.len());
    let numbers = |at: usize| {
        let known = last(rows, count).map(move |row| rounded(row[at]));
        std::iter::repeat_n(Value::Null, missing).chain(known).collect::<Value>()
    };
    let named = columns.iter().take(WIDTH).enumerate().map(|(at, column)| (column.name.to_owned(), numbers(at)));
    Value::Object(named.collect())
}

/// To two places behind the point; no number is null.
pub(super) fn rounded(number: f32) -> Value {
    let hundredths = f64::from(number * 100.0).round();
    if hundredths % 100.0 == 0.0 { Value::from((hundredths / 100.0) as u64) } else { Value::from(hundredths / 100.0) }
}

pub(super) fn last<T>(rows: &VecDeque<T>, count: usize) -> impl Iterator<Item = &T> {
    rows.iter().skip(rows.len().saturating_sub(count))
}

pub(super) fn push<T>(rows: &mut VecDeque<T>, row: T) {
    if rows.len() == KEPT {
        rows.pop_front();
    }
    rows.push_back(row);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        count: u64,
        level: u64,
    }

    static COLUMNS: [Column<Thing>; 2] = [level("level", |thing| thing.level), rate("rate", |thing| thing.count)];

    fn add(family: &mut Family<1, 2>, second: u64, seen: &[(usize, &str, u64, u64)]) {
        add_of(family, second, seen, true);
    }

    fn add_of(family: &mut Family<1, 2>, second: u64, seen: &[(usize, &str, u64, u64)], is_whole: bool) {
        let things: Vec<_> = seen.iter().map(|(_, _, count, level)| Thing { count: *count, level: *level }).collect();
        let seen = seen.iter().zip(&things).map(|((id, name, _, _), thing)| (*id, *name, thing));
        family.add(&COLUMNS, Duration::from_secs(second), seen, is_whole);
    }

    #[test]
    fn counts_become_rates_of_the_time_that_passed_and_are_summed_up() {
        let mut family = Family::default();
        add(&mut family, 0, &[(0, "a", 100, 7), (1, "b", 0, 0)]);
        add(&mut family, 2, &[(0, "a", 103, 8), (1, "b", 40, 0)]);
        let shown = family.shown(&COLUMNS, 2);
        assert_eq!(shown["all"], json!({ "level": [7, 8], "rate": [null, 21.5] }));
        assert_eq!(
            shown["each"],
            json!({ "a": { "level": [7, 8] } }),
            "the first column alone; who is quiet is left out"
        );
        // The first did not answer once: its rate is that of both spans, and what all did meanwhile is not known.
        add_of(&mut family, 4, &[(1, "b", 40, 0)], false);
        add(&mut family, 6, &[(0, "a", 111, 9), (1, "b", 40, 0)]);
        let shown = family.shown(&COLUMNS, 3);
        assert_eq!(shown["all"], json!({ "level": [8, null, 9], "rate": [21.5, null, 2] }));
        assert_eq!(shown["each"]["a"]["level"], json!([8, null, 9]));
        // A count that fell is another's.
        add(&mut family, 8, &[(0, "a", 5, 9)]);
        assert_eq!(family.shown(&COLUMNS, 1)["all"]["rate"], json!([0]));
    }

    #[test]
    fn what_came_later_has_nothing_before_and_what_went_is_forgotten() {
        let mut family = Family::default();
        add(&mut family, 0, &[(0, "old", 0, 1)]);
        add(&mut family, 2, &[(1, "new", 0, 5)]);
        let shown = family.shown(&COLUMNS, 2);
        assert_eq!(shown["each"], json!({ "old": { "level": [1, null] }, "new": { "level": [null, 5] } }));
        for second in 2..=KEPT as u64 {
            add(&mut family, second * 2, &[(1, "new", 0, 5)]);
        }
        assert_eq!(family.each.keys().collect::<Vec<_>>(), [&1]);
        assert_eq!((family.sums.len(), family.each[&1].rows.len()), (KEPT, KEPT));
    }

    #[test]
    fn a_rate_takes_two_looks() {
        static RATE: [Column<u64>; 1] = [rate("rate", |count| *count)];
        let mut family = Family::<1, 1>::default();
        for (second, count) in [(0, 100), (2, 110), (4, 130)] {
            family.add(&RATE, Duration::from_secs(second), [(0, "a", &count)].into_iter(), true);
        }
        assert_eq!(family.shown(&RATE, 3)["each"]["a"]["rate"], json!([null, 5, 10]));
    }

    #[test]
    fn nobody_known_is_no_number_and_not_nothing() {
        let mut family = Family::default();
        add(&mut family, 0, &[]);
        assert_eq!(family.shown(&COLUMNS, 1)["all"], json!({ "level": [null], "rate": [null] }));
    }

    #[test]
    fn who_says_what_he_has_gets_what_came_since() {
        let mut recent = Recent::default();
        let shown = |recent: &Recent, after| {
            let shown = recent.shown(after, Started(9));
            (shown["first"].as_u64().unwrap(), shown["at_ms"].clone())
        };
        assert_eq!(shown(&recent, 0), (0, json!([])));
        for look in 0..3 {
            recent.add(Duration::from_secs(look), look, &[None]);
        }
        assert_eq!(shown(&recent, 0), (0, json!([0, 1, 2])));
        assert_eq!(shown(&recent, 2), (2, json!([2])));
        assert_eq!(shown(&recent, 3), (3, json!([])));
        assert_eq!(shown(&recent, 4), (0, json!([0, 1, 2])), "it was another process");
        for look in 3..KEPT as u64 + 10 {
            recent.add(Duration::from_secs(look), look, &[None]);
        }
        let (first, at_ms) = shown(&recent, 3);
        assert_eq!((first, at_ms.as_array().unwrap().len(), &at_ms[0]), (10, KEPT, &json!(10)));
        assert_eq!(recent.shown(0, Started(9))["shards"]["all"]["pdus"][0], Value::Null);
    }
}
