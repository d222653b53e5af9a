//! What a profile says of a carrier's statuses, and a carrier's rate for each sender.

use std::time::Duration;

use super::{carrier, config, problems};
use crate::config::{StatusTable, Then};
use crate::smpp::command::CommandStatus;

fn table(statuses: &str) -> StatusTable {
    config(&format!("profiles: {{ odd: {{ statuses: {statuses} }} }}\n{}", carrier("profile: odd"))).carriers[0]
        .profile
        .statuses
        .clone()
}

fn again(seconds: u64, times: u8) -> Then {
    Then::Again { after: Duration::from_secs(seconds), times }
}

#[test]
fn a_status_is_a_name_a_number_or_a_range_and_its_rule_a_word_or_a_map() {
    let table = table(
        "{ ESME_RX_T_APPN: { then: again, after: 7s, times: 3 }, 0x400..0x4FF: { then: next, as: ESME_RSYSERR },
           RSUBMITFAIL: again, 0x45A: slow, 88: final, 8: { as: ESME_RX_T_APPN } }",
    );
    assert_eq!(table.then(CommandStatus::RX_T_APPN), again(7, 3));
    assert_eq!((table.then(CommandStatus(0x400)), table.then(CommandStatus(0x4FF))), (Then::Next, Then::Next));
    assert_eq!((table.then(CommandStatus(0x3FF)), table.then(CommandStatus(0x500))), (Then::Final, Then::Final));
    assert_eq!(table.told(CommandStatus(0x44F)), CommandStatus::RSYSERR);
    assert_eq!(table.then(CommandStatus::RSUBMITFAIL), again(5, 2));
    // A single status goes before the range around it, but says nothing of what the customer is told.
    assert_eq!(table.then(CommandStatus(0x45A)), Then::Slow);
    assert_eq!(table.told(CommandStatus(0x45A)), CommandStatus::RSYSERR);
    assert_eq!(table.then(CommandStatus::RTHROTTLED), Then::Final);
    // It says only what the customer is told: what follows stays as it was.
    assert_eq!(table.then(CommandStatus::RSYSERR), Then::Next);
    assert_eq!(table.told(CommandStatus::RSYSERR), CommandStatus::RX_T_APPN);
    assert_eq!(table.then(CommandStatus::RMSGQFUL), Then::Slow);
}

#[test]
fn what_a_profile_says_goes_before_what_it_begins_as() {
    let text = "profiles:\n  one: { statuses: { 8: final, 0x400..0x4FF: next } }\n  \
                two: { like: one, statuses: { 0x400..0x410: final, 0x0B: next } }\n";
    let statuses = config(&(text.to_owned() + &carrier("profile: two"))).carriers[0].profile.statuses.clone();
    assert_eq!(statuses.then(CommandStatus::RSYSERR), Then::Final);
    assert_eq!(statuses.then(CommandStatus(0x405)), Then::Final);
    assert_eq!(statuses.then(CommandStatus(0x411)), Then::Next);
    assert_eq!(statuses.then(CommandStatus::RINVDSTADR), Then::Next);
}

#[test]
fn a_rule_that_says_nothing_possible_is_refused() {
    let cases = [
        ("{ NONSENSE: next }", "profiles.odd.statuses.NONSENSE"),
        ("{ 0: next }", "profiles.odd.statuses.0"),
        ("{ 0x4FF..0x400: next }", "profiles.odd.statuses.\"0x4FF..0x400\""),
        ("{ 8: sometimes }", "profiles.odd.statuses.8"),
        ("{ 8: [next] }", "profiles.odd.statuses.8"),
        ("{ 8: { then: next, after: 5s } }", "profiles.odd.statuses.8"),
        ("{ 8: { then: again, times: 0 } }", "profiles.odd.statuses.8.times"),
        ("{ 8: { then: again, after: 0s } }", "profiles.odd.statuses.8.after"),
        ("{ 8: { as: ESME_ROK } }", "profiles.odd.statuses.8.as"),
        ("{ 8: { until: next } }", "profiles.odd.statuses.8.until"),
        ("next", "profiles.odd.statuses"),
    ];
    for (statuses, path) in cases {
        let found = problems(&format!("profiles: {{ odd: {{ statuses: {statuses} }} }}\n"));
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [path], "{statuses}: {found:?}");
    }
}

#[test]
fn each_sender_has_a_rate_where_it_is_set() {
    let rate = |fields: &str| config(&carrier(fields)).carriers[0].source_rate;
    let set = rate("source_rate: 10, source_burst: 3").map(|rate| (rate.per_second.get(), rate.burst.get()));
    assert_eq!((set, rate("rate: 10")), (Some((10, 3)), None));
    assert_eq!(rate("source_rate: 50").map(|rate| rate.burst.get()), Some(5));
    assert_eq!(problems(&carrier("source_rate: 0"))[0].path, "carriers.c.source_rate");
}
