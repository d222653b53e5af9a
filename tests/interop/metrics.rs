//! `/metrics` read by PyPI's prometheus_client, and by Prometheus' own promtool, which reads the alerts and the dashboard's queries too.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use trunkline::metrics::described;
use trunkline::metrics::described::Kind;
use trunkline::smpp::pdu::BindMode;

use crate::gateway::{Gateway, free_address, http};
use crate::peer::{ROK, with_receipt};
use crate::peers::{self, script, skipped};
use crate::processes::{Load, Smsc};
use crate::receiver::Receiver;
use crate::web::Web;

/// What a gateway says under load: SMPP, HTTP with callbacks, call detail records, a name as odd as it may be, a carrier that refuses, and
/// an account and a carrier that a reload has brought.
fn page() -> String {
    let (north, south) = (Smsc::start(&["--receipts", "0..100ms", "--errors", "ESME_RINVDSTADR=5"]), Smsc::start(&[]));
    let (receiver, http_listen) = (Receiver::listen(), free_address());
    let gateway = Gateway::start(&format!(
        r#"
cdr: {{ path: cdr }}
http: {{ listen: "{http_listen}" }}
accounts:
  acme: {{ password: secret, rate: 500 }}
  'odd "one" \n': {{ password: secret }}
  web: {{ password: secret, callback: {{ url: "http://{}/", allow_http: true, allow_private: true }} }}
carriers:
  north: {{ connect: "{}", system_id: us, password: secret }}
routes:
  - to: north
"#,
        receiver.address, north.address
    ));
    let flags = "--system-id acme --password secret --binds 2 --rate 300 --duration 50s";
    let _load = Load::start(gateway.smpp, &gateway.directory.0.join("load.ledger"), flags);
    gateway.wait_for_metric("trunkline_submits_accepted_total{account=\"acme\"}", |count| count > 100.0);
    let south = format!("carriers:\n  south: {{ connect: \"{}\", system_id: us, password: secret }}", south.address);
    gateway.rewrite("carriers:", &south);
    gateway.rewrite("accounts:", "accounts:\n  late: { password: comer }");
    let reloaded = gateway.reload("routes:", "routes:\n  - { when: { account: late }, to: south }");
    assert!(reloaded.starts_with("HTTP/1.1 200 "), "{reloaded}");
    let mut late = gateway.connect();
    assert_eq!(late.bind(BindMode::Transceiver, "late", "comer").status, ROK);
    late.submit_when_up(&with_receipt("first"));
    late.receive();
    let web = Web::basic(http_listen, "web", "secret");
    let is_told = |_| {
        web.post(r#"{"to": "4917012345678", "from": "ACME", "text": "Hello", "receipt": true}"#).status == 200
            && !receiver.next().body.is_empty()
    };
    assert!((0..10).any(is_told), "every message was refused");
    for series in [
        "trunkline_submits_accepted_total{account=\"late\"}",
        "trunkline_carrier_submits_total{carrier=\"south\"}",
        "trunkline_receipts_delivered_total{account=\"acme\"}",
        "trunkline_events_told_total{account=\"web\"}",
        "trunkline_carrier_refusals_total{carrier=\"north\",status=\"ESME_RINVDSTADR\"}",
    ] {
        gateway.wait_for_metric(series, |count| count >= 1.0);
    }
    let page = http(gateway.admin, "/metrics").unwrap();
    page.split_once("\r\n\r\n").map_or(page.clone(), |(_, body)| body.to_owned())
}

/// What the program says to `input`, when it ends well.
fn said(program: &mut Command, input: &str) -> String {
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    format!("{said}{errors}")
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn prometheus_client_reads_every_metric_as_what_it_is() {
    let mut program = match peers::prometheus_client() {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let families: Value = serde_json::from_str(&said(program.arg(script("metrics.py")), &page())).unwrap();
    for metric in described() {
        // Its names of counters have no `_total`.
        let name = if metric.kind == Kind::Counter { metric.name.trim_end_matches("_total") } else { metric.name };
        let family = &families[name];
        assert_eq!((&family["type"], &family["help"]), (&metric.kind.name().into(), &metric.help.into()), "{name}");
        assert!(family["samples"].as_u64().unwrap() > 0, "{name}");
    }
    println!("prometheus_client reads {} families", families.as_object().unwrap().len());
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn promtool_has_nothing_to_say_about_the_metrics() {
    match peers::promtool() {
        Ok(mut promtool) => assert_eq!(said(promtool.args(["check", "metrics"]), &page()), ""),
        Err(why) => skipped(&why),
    }
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn promtool_takes_the_alerts_and_every_query_of_the_dashboard() {
    let mut promtool = match peers::promtool() {
        Ok(promtool) => promtool,
        Err(why) => return skipped(&why),
    };
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    let dashboard = std::fs::read_to_string(file("grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default());
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (at, target) in targets.enumerate() {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
        writeln!(rules, "  - {{ record: 'query:{at}', expr: {} }}", serde_json::to_string(&query).unwrap()).unwrap();
    }
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard-queries.yaml");
    std::fs::write(&written, rules).unwrap();
    let told = said(promtool.args(["check", "rules"]).arg(file("alerts.yaml")).arg(written), "");
    println!("{told}");
    assert_eq!(told.matches("SUCCESS").count(), 2, "{told}");
}

#[test]
#[ignore = "fetches foreign software: just interop"]
fn alerts_fire_when_they_should_and_only_then() {
    let mut promtool = match peers::promtool() {
        Ok(promtool) => promtool,
        Err(why) => return skipped(&why),
    };
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alerts.yaml");
    let tests = std::fs::read_to_string(script("alerts.yaml")).unwrap();
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alerts-tests.yaml");
    std::fs::write(&written, tests.replace("ALERTS", alerts.to_str().unwrap())).unwrap();
    said(promtool.args(["test", "rules"]).arg(written), "");
}
