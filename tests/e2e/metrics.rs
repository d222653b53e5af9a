//! `/metrics` of the built program: all that is described is there, the stages of each submit are counted, and a reload's accounts and
//! carriers have series.

use trunkline::metrics::described;
use trunkline::smpp::pdu::BindMode;

use crate::gateway::{Gateway, http, http_with};
use crate::peer::{ROK, plain, with_receipt};
use crate::receipts::id_of_receipt;
use crate::reload::done;
use crate::world::World;

#[test]
fn each_submit_is_in_every_stages_histogram_and_each_metric_has_its_help_text() {
    let world = World::new();
    let mut acme = world.acme();
    for _ in 0..5 {
        let answer = acme.submit(&with_receipt("timed"));
        assert_eq!(answer.status, ROK);
        assert_eq!(id_of_receipt(&acme.receive()), answer.id());
    }
    for _ in 0..3 {
        assert_eq!(acme.submit(&plain("timed")).status, ROK);
    }
    // No route takes it: a refusal at once has no stages.
    acme.refused(&plain_to("599"), 0x0B);
    let is = |expected: f64| move |value: f64| value == expected;
    world.gateway.wait_for_metric("trunkline_submit_seconds_count{account=\"acme\"}", is(8.0));
    world.gateway.wait_for_metric("trunkline_submit_commit_seconds_count{account=\"acme\"}", is(5.0));
    world.gateway.wait_for_metric("trunkline_delivery_seconds_count{account=\"acme\"}", is(5.0));
    // The customer beside has submitted as well.
    let sent = "trunkline_carrier_submits_total{carrier=\"north\"}";
    let sent = world.gateway.wait_for_metric(sent, |sent| sent >= 9.0);
    world.gateway.wait_for_metric("trunkline_carrier_queue_seconds_count{carrier=\"north\"}", is(sent));
    world.gateway.wait_for_metric("trunkline_carrier_answer_seconds_count{carrier=\"north\"}", is(sent));
    world.gateway.wait_for_metric("trunkline_carrier_receipt_delay_seconds_count{carrier=\"north\"}", is(5.0));
    let delivered = "trunkline_carrier_receipt_states_total{carrier=\"north\",status=\"delivered\"}";
    world.gateway.wait_for_metric(delivered, is(5.0));
    for shard in 0..2 {
        world.gateway.wait_for_metric(&format!("trunkline_shard_busy_seconds_total{{shard=\"{shard}\"}}"), |s| s > 0.0);
        world.gateway.wait_for_metric(&format!("trunkline_shard_lag_seconds_count{{shard=\"{shard}\"}}"), |n| n > 19.0);
    }
    world.gateway.wait_for_metric("trunkline_store_commit_seconds_count{shard=\"0\"}", |commits| commits > 0.0);
    world.gateway.wait_for_metric("trunkline_ready", is(1.0));
    world.gateway.wait_for_metric("process_open_fds", |open| open > 10.0);
    let page = http(world.gateway.admin, "/metrics").unwrap();
    // Nothing was refused by the carrier, so there is nothing of that yet.
    for metric in described().filter(|metric| metric.name != "trunkline_carrier_refusals_total") {
        let (help, kind) = (format!("# HELP {} {}\n", metric.name, metric.help), metric.kind.name());
        assert!(page.contains(&help) && page.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{help}{page}");
    }
}

/// A submit without a receipt to a number of another country.
fn plain_to(prefix: &str) -> Vec<u8> {
    let mut body = plain("timed");
    let at = body.windows(2).position(|two| two == b"49").unwrap();
    body.splice(at..at + prefix.len(), prefix.bytes());
    body
}

#[test]
fn what_a_reload_brings_has_series_which_go_on_when_it_went_and_comes_back() {
    let mut world = World::new();
    let new = [
        ("accounts:", "accounts:\n  late: { password: comer }".to_owned()),
        (
            "carriers:",
            format!("carriers:\n  south: {{ connect: \"{}\", system_id: us, password: p }}", world.carrier.address),
        ),
        ("routes:", "routes:\n  - { when: { account: late }, to: south }".to_owned()),
    ];
    let reload = |gateway: &Gateway, back: bool| {
        new.iter().for_each(|(old, new)| if back { gateway.rewrite(new, old) } else { gateway.rewrite(old, new) });
        done(&http_with(gateway.admin, "POST", "/reload", "").unwrap());
    };
    let submits = |world: &World, so_far: f64| {
        let mut late = world.connect();
        assert_eq!(late.bind(BindMode::Transceiver, "late", "comer").status, ROK);
        late.submit_when_up(&plain("new"));
        for series in ["trunkline_submits_accepted_total{account=\"late\"}", SENT_SOUTH] {
            world.gateway.wait_for_metric(series, |count| count > so_far);
        }
    };
    reload(&world.gateway, false);
    submits(&world, 0.0);
    let before = world.gateway.wait_for_metric(SENT_SOUTH, |_| true);
    reload(&world.gateway, true);
    world.gateway.wait_for_metric("trunkline_links_bound{carrier=\"south\"}", |links| links == 0.0);
    world.gateway.wait_for_metric("trunkline_links_configured{carrier=\"south\"}", |links| links == 0.0);
    world.gateway.wait_for_metric("trunkline_sessions_bound{account=\"late\"}", |sessions| sessions == 0.0);
    reload(&world.gateway, false);
    submits(&world, before);
    world.is_well();
}

const SENT_SOUTH: &str = "trunkline_carrier_submits_total{carrier=\"south\"}";
