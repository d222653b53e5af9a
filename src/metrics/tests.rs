//! What `/metrics` shows of the counts.

use super::*;

fn rendered(publish: impl FnOnce()) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        publish();
    });
    recorder.handle().render()
}

#[test]
fn an_accounts_counts_are_published_under_its_name() {
    let mut counts = AccountCounts { submits: 5, accepted: 3, sessions_bound: 2, ..AccountCounts::default() };
    counts.count_refused(RefusedReason::Throttled);
    counts.count_refused(RefusedReason::Throttled);
    let text = rendered(|| AccountMetrics::new("acme").publish(&counts));
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
    let text = rendered(|| {
        let handles = CarrierMetrics::new("north");
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
fn every_series_has_a_help_text_and_only_labels_from_closed_sets() {
    let text = rendered(|| {
        AccountMetrics::new("acme").publish(&AccountCounts::default());
        CarrierMetrics::new("north").publish(&CarrierCounts::default());
        ShardMetrics::new("0").publish(&ShardCounts::default());
        publish_build("1.2.3", "fsync");
    });
    let series: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(series.len() > 60, "{}", series.len());
    for line in series {
        let (name, labels) = line.split_once('{').expect("every series has labels");
        assert!(name.starts_with("trunkline_"), "{line}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help text");
        for label in labels.split_once('}').unwrap().0.split(',') {
            let key = label.split_once('=').unwrap().0;
            assert!(["account", "carrier", "shard", "status", "version"].contains(&key), "{line}");
        }
    }
}
