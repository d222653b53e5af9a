//! What `/metrics` shows of the counts.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

fn rendered(publish: impl FnOnce(&Exporter)) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = Exporter::new(recorder.handle());
    metrics::with_local_recorder(&recorder, || {
        describe();
        publish(&exporter);
    });
    exporter.render()
}

#[test]
fn an_accounts_counts_are_published_under_its_name() {
    let mut counts = AccountCounts { submits: 5, accepted: 3, sessions_bound: 2, ..AccountCounts::default() };
    counts.count_refused(RefusedReason::Throttled);
    counts.count_refused(RefusedReason::Throttled);
    let text = rendered(|exporter| AccountMetrics::new("acme", exporter).publish(&counts));
    for line in [
        "trunkline_submits_total{account=\"acme\"} 5",
        "trunkline_submits_accepted_total{account=\"acme\"} 3",
        "trunkline_submits_refused_total{account=\"acme\",status=\"throttled\"} 2",
        "trunkline_submits_refused_total{account=\"acme\",status=\"no_route\"} 0",
        "trunkline_sessions_bound{account=\"acme\"} 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn publishing_twice_shows_the_newer_total_and_not_the_sum() {
    let mut counts = CarrierCounts::default();
    let text = rendered(|exporter| {
        let handles = CarrierMetrics::new("north", exporter);
        for _ in 0..2 {
            counts.count_receipt(ReceiptOutcome::Unknown);
            counts.queued += 10;
            handles.publish(&counts);
        }
    });
    assert!(text.contains("trunkline_carrier_receipts_total{carrier=\"north\",status=\"unknown\"} 2\n"), "{text}");
    assert!(text.contains("trunkline_carrier_queued{carrier=\"north\"} 20\n"), "{text}");
}

#[test]
fn a_histogram_is_shown_cumulated_in_seconds() {
    let mut counts = CarrierCounts::default();
    for (millis, times) in [(1, 3), (40, 2), (30_000, 1)] {
        (0..times).for_each(|_| counts.answered.observe(Duration::from_millis(millis)));
    }
    counts.receipt_delay.observe(90);
    let text = rendered(|exporter| {
        let handles = CarrierMetrics::new("no\"rth", exporter);
        handles.publish(&counts);
        handles.publish(&counts);
    });
    for line in [
        "# TYPE trunkline_carrier_answer_seconds histogram",
        "trunkline_carrier_answer_seconds_bucket{carrier=\"no\\\"rth\",le=\"0.0005\"} 0",
        "trunkline_carrier_answer_seconds_bucket{carrier=\"no\\\"rth\",le=\"0.001\"} 3",
        "trunkline_carrier_answer_seconds_bucket{carrier=\"no\\\"rth\",le=\"0.05\"} 5",
        "trunkline_carrier_answer_seconds_bucket{carrier=\"no\\\"rth\",le=\"20\"} 5",
        "trunkline_carrier_answer_seconds_bucket{carrier=\"no\\\"rth\",le=\"+Inf\"} 6",
        "trunkline_carrier_answer_seconds_sum{carrier=\"no\\\"rth\"} 30.083",
        "trunkline_carrier_answer_seconds_count{carrier=\"no\\\"rth\"} 6",
        "trunkline_carrier_receipt_delay_seconds_bucket{carrier=\"no\\\"rth\",le=\"60\"} 0",
        "trunkline_carrier_receipt_delay_seconds_bucket{carrier=\"no\\\"rth\",le=\"120\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn handles_looked_up_again_go_on_where_the_first_were() {
    let (mut counts, mut again) = (ShardCounts::default(), ShardCounts::default());
    (counts.busy_ns, again.busy_ns) = (1_500_000_000, 2_250_000_000);
    let text = rendered(|exporter| {
        ShardMetrics::new("0", exporter).publish(&counts);
        ShardMetrics::new("0", exporter).publish(&again);
    });
    let busy: Vec<&str> = text.lines().filter(|line| line.starts_with("trunkline_shard_busy")).collect();
    assert_eq!(busy, ["trunkline_shard_busy_seconds_total{shard=\"0\"} 2.25"]);
}

#[test]
fn a_carriers_refusals_are_told_by_status_and_what_it_makes_up_under_two_labels() {
    let mut refusals = Refusals::default();
    [0x0B, 0x0B, 0x99, 0x400, 0x4FF, 0x500, u32::MAX].into_iter().for_each(|status| refusals.count(status));
    let text = rendered(|_| {
        let mut handles = RefusalMetrics::new("north");
        handles.publish(&refusals, |status| (status == 0x0B).then_some("ESME_RINVDSTADR"));
        handles.publish(&refusals, |_| None);
    });
    for (status, count) in [("ESME_RINVDSTADR", 2), ("0x99", 1), ("vendor", 2), ("other", 2)] {
        let line = format!("trunkline_carrier_refusals_total{{carrier=\"north\",status=\"{status}\"}} {count}");
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_became_of_submits_is_told_by_account_and_carrier() {
    let mut settled = Settled::default();
    for (carrier, how) in [(1, SettledAs::Accepted), (0, SettledAs::InDoubt), (1, SettledAs::Accepted)] {
        settled.count(carrier, how);
    }
    let text = rendered(|_| SettledMetrics::new("acme").publish(&settled, |at| ["north", "south"][usize::from(at)]));
    for (carrier, status, count) in [("north", "in_doubt", 1), ("south", "accepted", 2), ("south", "refused", 0)] {
        let labels = format!("account=\"acme\",carrier=\"{carrier}\",status=\"{status}\"");
        let line = format!("trunkline_submits_settled_total{{{labels}}} {count}");
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert_eq!(settled.total(), 3);
}

#[test]
fn every_series_is_one_that_is_described_and_has_its_labels() {
    let text = rendered(|exporter| {
        AccountMetrics::new("acme", exporter).publish(&AccountCounts::default());
        CarrierMetrics::new("north", exporter).publish(&CarrierCounts::default());
        ShardMetrics::new("0", exporter).publish(&ShardCounts::default());
        let mut refusals = Refusals::default();
        refusals.count(0x58);
        RefusalMetrics::new("north").publish(&refusals, |_| None);
        let mut settled = Settled::default();
        settled.count(0, SettledAs::Accepted);
        SettledMetrics::new("acme").publish(&settled, |_| "north");
        publish_build("1.2.3", "fsync");
        let (cpu, started) = (Duration::from_millis(1_250), Duration::from_secs(1_700_000_000));
        let process = Process { is_ready: true, cpu, resident_bytes: 4096, open_fds: 7, max_fds: 1024, started };
        exporter.publish_process(&process);
    });
    assert!(text.contains("\nprocess_cpu_seconds_total 1.25\n"), "{text}");
    let mut shown = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, labels) = line.split_once('{').unwrap_or_else(|| (line.split_once(' ').unwrap().0, "}"));
        let is_it = |metric: &&Described| match metric.kind {
            Kind::Histogram => series.strip_prefix(metric.name).is_some_and(|end| PARTS.contains(&end)),
            Kind::Counter | Kind::Gauge => series == metric.name,
        };
        let metric = described().find(is_it).unwrap_or_else(|| panic!("{series} is not described"));
        let labels = labels.split_once('}').unwrap().0.split(',').filter_map(|label| label.split_once('='));
        let labels: Vec<(&str, &str)> = labels.filter(|(key, _)| *key != "le").collect();
        let keys: Vec<&str> = labels.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, metric.labels, "{line}");
        if let (Some((_, value)), false) = (labels.last(), metric.values.is_empty()) {
            assert!(metric.values.contains(&value.trim_matches('"')), "{line}");
        }
        let (name, kind) = (metric.name, metric.kind.name());
        assert!(text.contains(&format!("# HELP {name} {}\n", metric.help)), "{name} has no help text");
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} has another type");
        shown.insert(name);
    }
    let described: Vec<&str> = described().map(|metric| metric.name).collect();
    assert_eq!(shown.len(), described.len(), "each is shown, and none is described twice");
}

/// What Prometheus appends to the name of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// As `promtool check metrics` wants them.
#[test]
fn names_are_as_prometheus_has_them() {
    for Described { kind, name, help, .. } in described() {
        let is_ours = name.starts_with("trunkline_") || name.starts_with("process_");
        assert!(is_ours && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(PARTS.iter().all(|part| !name.ends_with(part)), "{name}");
        let other_units = ["_ms", "_us", "_ns", "milliseconds", "microseconds", "minutes", "octets", "kilobytes"];
        assert!(other_units.iter().all(|unit| !name.contains(unit)), "{name}: seconds and bytes");
        assert!(name.ends_with("_seconds") || *kind != Kind::Histogram, "{name}: histograms are of seconds");
        // OpenMetrics has a counter's family without its `_total`.
        let family = name.strip_suffix("_total").unwrap_or(name);
        assert!(described().all(|other| other.name == *name || other.name != family), "{name} and {family}");
        assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
    }
}
