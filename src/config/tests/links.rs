//! The `links` section of a profile.

use std::time::Duration;

use super::{config, problems};
use crate::config::{LinkHabits, Reconnect, Timers};

fn habits(links: &str) -> LinkHabits {
    let text = format!("profiles: {{ p: {{ links: {{ {links} }} }} }}\n");
    let carrier = "carriers: { c: { connect: \"h:1\", system_id: u, password: p, profile: p } }";
    config(&(text + carrier)).carriers[0].profile.links.clone()
}

#[test]
fn a_profile_says_how_links_bind_and_come_back() {
    assert_eq!(habits(""), LinkHabits::default());
    let read = habits(
        "interface_version: 5.0, address_ton: 5, address_npi: 9, address_range: ^1, enquire_link: 10s, inactivity: 40s,
         response: 4s, unbind: 2s, reconnect: { first: 2s, longest: 3m }, refused: 10m, already_bound: 2m",
    );
    let bind = (read.interface_version, read.address_ton, read.address_npi, read.address_range.as_str());
    assert_eq!(bind, (0x50, 5, 9, "^1"));
    let seconds = Duration::from_secs;
    assert_eq!(read.reconnect, Reconnect { first: seconds(2), longest: seconds(180) });
    assert_eq!((read.refused, read.already_bound), (seconds(600), seconds(120)));
    let smpp =
        Timers { session_init: seconds(5), enquire_link: seconds(30), inactivity: seconds(300), response: seconds(20) };
    let all = |timers: Timers| {
        [timers.session_init, timers.enquire_link, timers.inactivity, timers.response].map(|timer| timer.as_secs())
    };
    assert_eq!(all(read.timers(&smpp)), [2, 10, 40, 4]);
    assert_eq!(all(LinkHabits::default().timers(&smpp)), [5, 30, 300, 20], "as the smpp section says");
    for (text, version) in [("3.3", 0x33), ("0x33", 0x33), ("3.4", 0x34), ("\"0x34\"", 0x34), ("0x50", 0x50)] {
        assert_eq!(habits(&format!("interface_version: {text}")).interface_version, version, "{text}");
    }
}

#[test]
fn a_profile_begins_as_another_and_a_carriers_own_keys_go_before_it() {
    let config = config(
        "profiles:\n  a: { links: { enquire_link: 10s, count: 3, window: 7, reconnect: { longest: 9s } } }\n  \
         b: { like: a, links: { refused: 1h, reconnect: { first: 2s } } }\n\
         carriers:\n  c: { connect: \"h:1\", system_id: u, password: p, profile: b }\n  \
         d: { connect: \"h:1\", system_id: u, password: p, profile: b, links: 1, window: 2 }\n",
    );
    let [c, d] = &config.carriers[..] else { panic!("two") };
    let habits = &c.profile.links;
    let seconds = Duration::from_secs;
    assert_eq!((habits.enquire_link, habits.refused), (Some(seconds(10)), seconds(3600)));
    assert_eq!(habits.reconnect, Reconnect { first: seconds(2), longest: seconds(9) });
    assert_eq!((c.links.get(), c.window.get()), (3, 7));
    assert_eq!((d.links.get(), d.window.get()), (1, 2));
}

#[test]
fn link_habits_that_cannot_be_are_refused() {
    for (links, key) in [
        ("interface_version: 3.5", "interface_version"),
        ("interface_version: 52", "interface_version"),
        ("address_ton: 256", "address_ton"),
        ("address_npi: x", "address_npi"),
        ("address_range: 01234567890123456789012345678901234567890", "address_range"),
        ("enquire_link: 0s", "enquire_link"),
        ("inactivity: 5", "inactivity"),
        ("response: 0s", "response"),
        ("unbind: never", "unbind"),
        ("count: 0", "count"),
        ("window: 0", "window"),
        ("refused: 0s", "refused"),
        ("already_bound: x", "already_bound"),
        ("reconnect: 5s", "reconnect"),
        ("reconnect: { first: 2m }", "reconnect.first"),
        ("reconnect: { most: 2m }", "reconnect.most"),
        ("hammer: true", "hammer"),
    ] {
        let found = problems(&format!("profiles: {{ p: {{ links: {{ {links} }} }} }}"));
        let paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [format!("profiles.p.links.{key}")], "{links}: {found:?}");
    }
}
