//! The documentation of the metrics, the alerts and the dashboard speak of the metrics that the program has, and of no others.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests are an edge, and a helper that fails fails its test"
)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use trunkline::metrics::described;
use trunkline::metrics::described::{Described, Kind};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_documentation_lists_every_metric_and_nothing_else() {
    let (mut expected, mut values) = (Vec::new(), Vec::new());
    for metric in described() {
        let Described { name, help, .. } = metric;
        let help = help.strip_suffix('.').unwrap_or(help);
        expected.push(format!("| `{name}` | {} | {} | {help} |", metric.kind.name(), metric.labels.join(", ")));
        if let (Some(label), false) = (metric.labels.last(), metric.values.is_empty()) {
            values.push(format!("| `{name}` | {label} | {} |", metric.values.join(", ")));
        }
    }
    let text = file("docs/metrics.md");
    let rows: BTreeSet<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = expected.into_iter().chain(values).collect();
    let missing: Vec<&str> = expected.iter().map(String::as_str).filter(|row| !rows.contains(row)).collect();
    let extra: Vec<&&str> = rows.iter().filter(|row| !expected.iter().any(|it| it == **row)).collect();
    assert!(missing.is_empty(), "docs/metrics.md lacks\n{}", missing.join("\n"));
    assert!(extra.is_empty(), "docs/metrics.md has what is not so: {extra:#?}");
}

#[test]
fn what_the_documentation_says_of_metrics_beside_the_tables_is_so() {
    let text = file("docs/metrics.md");
    let (mut queries, mut named) = (0, 0);
    let mut is_query = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_query = line == "```promql";
        } else if is_query && !line.starts_with('#') {
            assert_eq!(problems(line), [""; 0], "{line}");
            queries += 1;
        }
        // Every other piece between backticks is code.
        for code in line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("trunkline_")) {
            let (name, selectors) = code.split_once('{').unwrap_or((code, ""));
            let metric = described().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{code} is no metric"));
            let selectors = selectors.trim_end_matches('}').split(',').filter(|selector| !selector.is_empty());
            let wrong: Vec<String> = selectors.flat_map(|selector| selects(metric, selector)).collect();
            assert_eq!(wrong, [""; 0], "{code}");
            named += 1;
        }
    }
    assert!(queries >= 3 && named > 100, "{queries} queries, {named} names");
}

#[test]
fn every_alert_asks_for_what_there_is_and_says_what_is_wrong() {
    let rules: Value = serde_yaml::from_str(&file("config/alerts.yaml")).unwrap();
    let rules: Vec<&Value> =
        rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() >= 20, "{}", rules.len());
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("critical" | "warning")), "{name}");
        assert!(rule["annotations"]["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
        assert_eq!(problems(rule["expr"].as_str().unwrap()), [""; 0], "{name}");
    }
}

#[test]
fn every_query_of_the_dashboard_asks_for_what_there_is() {
    let dashboard: Value = serde_json::from_str(&file("config/grafana.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(targets.is_empty(), panel["type"] == "row", "{title} asks for nothing");
        queries.extend(targets.iter().map(|target| (title, target["expr"].as_str().unwrap())));
    }
    assert!(queries.len() >= 40, "{}", queries.len());
    for (title, query) in queries {
        assert_eq!(problems(query), [""; 0], "{title}: {query}");
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"].as_str().and_then(|query| query.strip_prefix("label_values(")) else {
            assert_eq!(variable["type"], "datasource");
            continue;
        };
        let (metric, label) = query.strip_suffix(')').unwrap().rsplit_once(", ").unwrap();
        let metric = metric.split_once('{').map_or(metric, |(name, _)| name);
        assert!(find(metric).is_some_and(|metric| has_label(metric, label)), "{query}");
    }
}

#[test]
fn panels_of_the_dashboard_fit_and_do_not_overlap() {
    let dashboard: Value = serde_json::from_str(&file("config/grafana.json")).unwrap();
    let (mut taken, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(w >= 1 && h >= 1 && x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies over another", panel["title"]);
        }
    }
}

#[test]
fn a_query_that_cannot_be_answered_is_caught() {
    for (query, why) in [
        ("rate(trunkline_submit_total[5m])", "`trunkline_submit_total` is no metric"),
        ("trunkline_links_bound{account=\"a\"}", "`trunkline_links_bound` has no label `account`"),
        ("sum by (shard) (trunkline_links_bound)", "nothing here has a label `shard`"),
        ("increase(trunkline_submits_refused_total{status=\"slow\"}[5m])", "has no status `slow`"),
        ("increase(trunkline_submits_refused_total{status=~\"throttled|slow\"}[5m])", "has no status `slow`"),
        ("trunkline_submits_total > 5", "`trunkline_submits_total` rises for ever"),
        ("rate(trunkline_submit_seconds[5m])", "`trunkline_submit_seconds` is no metric"),
        ("ratio(trunkline_ready)", "`ratio` is no function"),
        ("sum(trunkline_ready", "parentheses"),
    ] {
        let found = problems(query);
        assert!(found.iter().any(|problem| problem.contains(why)), "{query}: {found:?}");
    }
    let rate = "rate(trunkline_carrier_answer_seconds_bucket{carrier=~\"$carrier\"}[5m])";
    assert_eq!(problems(&format!("histogram_quantile(0.99, sum by (carrier, le) ({rate})) > 1e3")), [""; 0]);
}

/// The metric of which a query asks for this series.
fn find(series: &str) -> Option<&'static Described> {
    let part = |name: &str| series.strip_prefix(name).is_some_and(|part| ["_bucket", "_sum", "_count"].contains(&part));
    described().find(|metric| if metric.kind == Kind::Histogram { part(metric.name) } else { series == metric.name })
}

/// What a scrape adds is there too.
fn has_label(metric: &Described, label: &str) -> bool {
    metric.labels.contains(&label)
        || ["instance", "job"].contains(&label)
        || label == "le" && metric.kind == Kind::Histogram
}

const FUNCTIONS: [&str; 16] = [
    "rate",
    "increase",
    "sum",
    "max",
    "min",
    "avg",
    "count",
    "topk",
    "histogram_quantile",
    "clamp_min",
    "clamp_max",
    "time",
    "max_over_time",
    "changes",
    "delta",
    "vector",
];
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// What of a query cannot be: no parser, but every name, label and label's value in it is looked at.
fn problems(query: &str) -> Vec<String> {
    let (mut found, mut metrics, mut grouped, mut rest) = (Vec::new(), Vec::new(), Vec::new(), query);
    let depth = query.bytes().fold(0_i32, |depth, c| depth + i32::from(c == b'(') - i32::from(c == b')'));
    if depth != 0 {
        found.push("parentheses do not pair up".to_owned());
    }
    while let Some(first) = rest.chars().next() {
        if !first.is_ascii_alphabetic() && first != '_' {
            // Numbers with their units, ranges, and what Grafana puts in.
            let skipped = match first {
                '[' => rest.find(']').map_or(rest.len(), |at| at + 1),
                '$' | '0'..='9' => 1 + rest[1..].find(|c: char| !is_of_name(c)).unwrap_or(rest.len() - 1),
                other => other.len_utf8(),
            };
            rest = &rest[skipped..];
            continue;
        }
        let (name, behind) = rest.split_at(rest.find(|c| !is_of_name(c)).unwrap_or(rest.len()));
        rest = behind.trim_start();
        if GROUPINGS.contains(&name) {
            let (labels, behind) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).unwrap_or_default();
            grouped.extend(labels.split(',').map(str::trim).filter(|label| !label.is_empty()));
            rest = behind;
        } else if FUNCTIONS.contains(&name) || WORDS.contains(&name) {
            continue;
        } else if rest.starts_with('(') {
            found.push(format!("`{name}` is no function"));
        } else if name == "up" {
            rest = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(rest, |(_, behind)| behind);
        } else if let Some(metric) = find(name) {
            let (selectors, behind) =
                rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).unwrap_or(("", rest));
            selectors
                .split(',')
                .filter(|it| !it.trim().is_empty())
                .for_each(|it| found.extend(selects(metric, it.trim())));
            rest = behind;
            if metric.kind != Kind::Gauge && !rest.starts_with('[') {
                found.push(format!("`{name}` rises for ever: ask for its rate"));
            }
            metrics.push(metric);
        } else {
            found.push(format!("`{name}` is no metric"));
        }
    }
    let is_unknown = |label: &&str| !metrics.iter().any(|metric| has_label(metric, label));
    found.extend(grouped.into_iter().filter(is_unknown).map(|label| format!("nothing here has a label `{label}`")));
    found
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// What is wrong with `label="value"`.
fn selects(metric: &Described, selector: &str) -> Vec<String> {
    let (key, value) = selector.split_at(selector.find(['=', '!']).unwrap_or(selector.len()));
    if !has_label(metric, key) {
        return vec![format!("`{}` has no label `{key}`", metric.name)];
    }
    if metric.labels.last() != Some(&key) || metric.values.is_empty() {
        return Vec::new();
    }
    let values = value.trim_matches(|c| "=!~\"".contains(c)).split('|');
    let unknown = values.filter(|value| !metric.values.contains(value));
    unknown.map(|value| format!("`{}` has no {key} `{value}`", metric.name)).collect()
}
