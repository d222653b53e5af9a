//! What decides for whom, and in which order carriers are tried.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::config::{self, Surroundings};
use crate::engine::message::{Outcome, ReturnReason};

const NUMBERS: &str = "\
49,262,,Germany
49151,262,01,Telekom Deutschland
49170,262,1,Telekom Deutschland
4915900,4915999,262,02,Vodafone
44,234,,Great Britain
447700900,234,30,EE
";

/// Accounts `acme` and `zeta` of the group `retail`, `bulk` of none; carriers c0 to c4, of which c3 may have 20 out, c4 5, the others 200.
struct Stage {
    config: Config,
    table: RouteTable,
    loads: Loads,
    now: Instant,
}

fn stage(routes: &str) -> Stage {
    let mut text = "accounts:\n  acme: { password: x, group: retail }\n  zeta: { password: x, group: retail }\n  \
                    bulk: { password: x }\nnumbers: { file: numbers.csv }\ncarriers:\n"
        .to_owned();
    for (at, limits) in ["", "", "", "window: 10", "rate: 5"].iter().enumerate() {
        text += &format!("  c{at}: {{ connect: \"h:1\", system_id: x, password: x, {limits} }}\n");
    }
    let file = |_: &Path| Ok(NUMBERS.as_bytes().to_vec());
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let config = match config::parse(&format!("{text}routes:\n{routes}"), &surroundings) {
        Ok(parsed) => parsed.config,
        Err(problems) => panic!("{problems:?}"),
    };
    Stage { table: RouteTable::new(&config), loads: Loads::new(&config), now: Instant::from_nanos(1), config }
}

impl Stage {
    fn query<'a>(&self, account: &str, destination: &'a str, source: &'a str, data_coding: u8) -> Query<'a> {
        let at = self.config.accounts.iter().position(|known| known.name == account).unwrap();
        let (destination, source) = (destination.as_bytes(), source.as_bytes());
        Query { account: AccountId(at as u32), destination, source, data_coding }
    }

    /// The carriers that would be tried, one after the other.
    fn order(&self, query: &Query<'_>, pick: u64) -> Vec<u16> {
        let Some(mut choice) = self.table.choose(query, pick) else { return Vec::new() };
        std::iter::from_fn(|| self.table.next_carrier(&mut choice, &self.loads, self.now)).map(|id| id.0).collect()
    }

    fn carriers(&self, account: &str, destination: &str) -> Vec<u16> {
        self.order(&self.query(account, destination, "ACME", 0), 0)
    }

    /// The position of the rule that decides for `acme`.
    fn rule(&self, destination: &str, source: &str, data_coding: u8) -> Option<u32> {
        let query = self.query("acme", destination, source, data_coding);
        self.table.choose(&query, 0).map(|choice| choice.rule)
    }

    fn order_of(&self, pick: u64) -> Vec<u16> {
        self.order(&self.query("acme", "1", "", 0), pick)
    }

    fn send(&mut self, carrier: u16, count: usize) {
        (0..count).for_each(|_| self.loads.sent(CarrierId(carrier)));
    }
}

#[test]
fn the_first_rule_of_the_file_decides_whatever_its_length() {
    let stage = stage(
        "  - { when: { account: acme, destination: 49* }, to: [c1, c0] }\n  - { when: { destination: 4917* }, to: c2 }\n  \
         - { when: { destination: 447700900001 }, to: c3 }\n  - { to: c4 }\n",
    );
    assert_eq!(stage.carriers("acme", "4917123"), [1, 0]);
    assert_eq!(stage.carriers("zeta", "4917123"), [2]);
    assert_eq!(stage.carriers("zeta", "+4917123"), [2]);
    assert_eq!(stage.carriers("zeta", "004917123"), [2]);
    assert_eq!(stage.carriers("zeta", "447700900001"), [3]);
    assert_eq!(stage.carriers("zeta", "4477009000012"), [4]);
    assert_eq!(stage.carriers("zeta", ""), [4]);
}

#[test]
fn no_rule_is_no_carrier() {
    let stage = stage("  - { when: { destination: 49* }, to: c1 }\n");
    assert_eq!(stage.carriers("acme", "44"), [0; 0]);
}

#[test]
fn what_a_rule_asks_and_does_not_get_leaves_the_decision_to_a_later_one() {
    let stage = stage(
        "  - { when: { destination: 49*, source: bank* }, to: c1 }\n  \
         - { when: { data_coding: [8, 0x10..0x1F] }, to: c2 }\n  - { to: c0 }\n",
    );
    assert_eq!(stage.rule("49", "BANK1", 8), Some(0));
    assert_eq!(stage.rule("49", "shop", 8), Some(1));
    assert_eq!(stage.rule("44", "BANK1", 0x10), Some(1));
    assert_eq!(stage.rule("44", "BANK1", 0x1F), Some(1));
    assert_eq!(stage.rule("49", "shop", 0x20), Some(2));
    assert_eq!(stage.rule("49", "shop", 0), Some(2));
}

#[test]
fn a_rule_takes_the_accounts_and_the_groups_it_names() {
    let stage = stage(
        "  - { when: { account: [bulk, zeta], destination: 1* }, to: c0 }\n  \
         - { when: { group: retail, destination: 1* }, to: c1 }\n  \
         - { when: { group: retail, account: zeta }, to: c2 }\n  - { to: c3 }\n",
    );
    for (account, destination, carrier) in
        [("bulk", "1", 0), ("zeta", "1", 0), ("acme", "1", 1), ("zeta", "2", 2), ("acme", "2", 3), ("bulk", "2", 3)]
    {
        assert_eq!(stage.carriers(account, destination), [carrier], "{account} {destination}");
    }
}

#[test]
fn a_rule_may_ask_for_the_network_of_the_destination() {
    let stage = stage(
        "  - { when: { mcc: 262, mnc: [1, 03], source: vip }, to: c0 }\n  - { when: { mcc: 262, mnc: 001 }, to: c1 }\n  \
         - { when: { network: vodaf* , destination: 4915* }, to: c2 }\n  - { when: { mcc: [234, 262] }, to: c3 }\n  \
         - { when: { network: EE }, to: c3 }\n  - { to: c4 }\n",
    );
    for (destination, source, rule) in [
        ("49151000", "vip", 0),
        ("+49151000", "x", 1),
        ("0049170", "x", 1),
        ("491599", "x", 2),
        ("4917", "vip", 3),
        ("49", "x", 3),
        ("447700900123", "x", 3),
        ("1", "x", 5),
        ("Telekom", "vip", 5),
        ("", "vip", 5),
    ] {
        assert_eq!(stage.rule(destination, source, 0), Some(rule), "{destination} from {source}");
    }
}

#[test]
fn a_rule_for_a_country_decides_in_its_place_among_the_others() {
    let stage = stage(
        "  - { when: { destination: 49151*, account: zeta }, to: c0 }\n  - { when: { mcc: 262, group: retail }, to: c1 }\n  \
         - { when: { destination: 49* }, to: c2 }\n  - { when: { mcc: 262 }, to: c3 }\n  \
         - { when: { destination: [\"*\", 49*], mcc: 234, mnc: [29, 30] }, to: c4 }\n  \
         - { when: { mcc: [262, 234], mnc: [2, 30] }, to: c0 }\n  - { when: { mcc: 234 }, to: c1 }\n",
    );
    assert_eq!(stage.carriers("zeta", "49151"), [0]);
    assert_eq!(stage.carriers("acme", "49151"), [1]);
    assert_eq!(stage.carriers("bulk", "49151"), [2]);
    assert_eq!(stage.carriers("bulk", "447700900"), [4]);
    assert_eq!(stage.carriers("bulk", "44"), [1]);
    assert_eq!(stage.carriers("bulk", "1"), [0; 0]);
}

#[test]
fn an_explanation_says_what_the_table_does() {
    let stage = stage(
        "  - { when: { destination: [4917*, 44], account: [zeta, bulk], source: [x*, 1] }, to: c0 }\n  \
         - { when: { mcc: 262, mnc: [1, 3], data_coding: 0..3 }, to: c1 }\n  \
         - { when: { group: retail, network: [vodafone, ee] }, to: c2 }\n  - { when: { mcc: [234, 262], group: retail }, to: c3 }\n  \
         - { when: { destination: \"49*\", mcc: 262 }, to: c4 }\n  - { when: { account: bulk, destination: [\"*\", 44] }, to: c0 }\n",
    );
    let mut decided = std::collections::BTreeMap::new();
    for account in ["acme", "zeta", "bulk"] {
        for destination in ["4917012", "+4917012", "004917", "4915999", "49151", "49", "44", "447700900", "1", "x", ""]
        {
            for source in ["xy", "1", "", "+1"] {
                for data_coding in [0, 3, 4, 255] {
                    let query = stage.query(account, destination, source, data_coding);
                    let route = stage.table.choose(&query, 0).map(|choice| choice.rule as usize);
                    assert_eq!(explain(&stage.config, &query).route, route, "{query:?}");
                    *decided.entry(route).or_insert(0) += 1;
                }
            }
        }
    }
    let seen: Vec<_> = decided.keys().copied().collect();
    assert_eq!(seen, [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)]);
}

#[test]
fn an_explanation_names_what_was_missed_and_the_carriers_in_order() {
    let stage = stage(
        "  - { when: { group: retail }, to: c0 }\n  - { when: { account: acme }, to: c0 }\n  - { when: { destination: 44 }, to: c0 }\n  \
         - { when: { source: 1 }, to: c0 }\n  - { when: { data_coding: 8 }, to: c0 }\n  - { when: { mcc: 234 }, to: c0 }\n  \
         - { when: { data_coding: 0 }, to: [{ carrier: c1, weight: 1 }, { carrier: c2, weight: 0 }, { carrier: c3, weight: 3 }] }\n  \
         - { when: { data_coding: 1 }, to: [c1, c2], choose: least_loaded }\n  \
         - { when: { data_coding: 2 }, to: [c2, { carrier: c3, weight: 0 }] }\n  - { when: { data_coding: 3 }, to: [c2, c3] }\n",
    );
    let text = |coding| explain(&stage.config, &stage.query("bulk", "+4915100", "ACME", coding)).text;
    let expected = "\
network: mcc 262 mnc 01 Telekom Deutschland
routes[0] is for another group: from group retail -> c0
routes[1] is for another account: from acme -> c0
routes[2] is for another destination: to 44 -> c0
routes[3] is for another source: sent as 1 -> c0
routes[4] is for another data_coding: data_coding 0x08 -> c0
routes[5] is for another network: to mcc 234 -> c0
routes[6] decides: data_coding 0x00 -> c1 (1) or c2 (draining) or c3 (3)
first one drawn with these chances, then the others in this order: c3 75.0 %, c1 25.0 %
";
    assert_eq!(text(0), expected);
    for (coding, last) in [
        (1, "first the less loaded of two drawn from these, then the others by load: c1, c2"),
        (2, "only one carrier: c2"),
        (3, "tried in this order: c2, c3"),
        (4, "no route matches: refused with ESME_RINVDSTADR"),
    ] {
        assert_eq!(text(coding).lines().last(), Some(last));
    }
}

#[test]
fn weights_choose_the_first_try_and_the_rest_follow_by_weight() {
    let stage =
        stage("  - to: [{ carrier: c0, weight: 20 }, { carrier: c1, weight: 70 }, { carrier: c2, weight: 10 }]\n");
    assert_eq!(stage.order_of(0), [1, 0, 2]);
    assert_eq!(stage.order_of(69), [1, 0, 2]);
    assert_eq!(stage.order_of(70), [0, 1, 2]);
    assert_eq!(stage.order_of(99), [2, 1, 0]);
    assert_eq!(stage.order_of(100), [1, 0, 2]);
}

#[test]
fn a_weight_of_0_takes_nothing_however_the_others_are_chosen() {
    for (choose, to) in [
        ("order", "[{ carrier: c0, weight: 0 }, c1, c2]"),
        ("weight", "[{ carrier: c0, weight: 0 }, { carrier: c1, weight: 1 }, { carrier: c2, weight: 1 }]"),
        ("least_loaded", "[{ carrier: c0, weight: 0 }, c1, c2]"),
    ] {
        let stage = stage(&format!("  - {{ to: {to}, choose: {choose} }}\n"));
        for pick in 0..100 {
            let mut tried = stage.order_of(pick);
            tried.sort_unstable();
            assert_eq!(tried, [1, 2], "{choose}");
        }
    }
    let alone = stage("  - { to: [c3, { carrier: c0, weight: 0 }], choose: least_loaded }\n");
    assert_eq!(alone.order_of(u64::MAX), [3]);
}

#[test]
fn what_was_begun_at_a_carrier_goes_on_there_whatever_its_weight_and_is_offered_it_once() {
    let stage = stage("  - { to: [{ carrier: c0, weight: 0 }, c1, c2] }\n");
    let choose = || stage.table.choose(&stage.query("acme", "1", "", 0), 0).unwrap();
    let rest = |choice: &mut RouteChoice| -> Vec<u16> {
        std::iter::from_fn(|| stage.table.next_carrier(choice, &stage.loads, stage.now)).map(|id| id.0).collect()
    };
    for (begun, order) in [(0, vec![0, 1, 2]), (2, vec![2, 1]), (4, vec![1, 2])] {
        let mut choice = choose();
        stage.table.begin_with(&mut choice, CarrierId(begun));
        assert_eq!(rest(&mut choice), order);
    }
    let mut choice = choose();
    assert!(stage.table.take(&mut choice, CarrierId(2)));
    assert!(!stage.table.take(&mut choice, CarrierId(2)) && !stage.table.take(&mut choice, CarrierId(4)));
    assert_eq!(rest(&mut choice), [1]);
}

#[test]
fn of_two_drawn_the_less_loaded_is_first_and_the_rest_follow_by_load() {
    let mut stage = stage("  - { to: [c0, c1, c2, c3, c4], choose: least_loaded }\n");
    stage.send(0, 100); // 50 %
    stage.send(1, 20); // 10 %
    stage.send(2, 40); // 20 %
    stage.send(3, 1); // 5 %
    stage.send(4, 2); // 40 %, of its rate
    let mut firsts = [0; 5];
    for draw in 0..10_000_u64 {
        let order = stage.order_of(draw.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        firsts[usize::from(order[0])] += 1;
        let mut expected: Vec<u16> = [3, 1, 2, 4, 0].into_iter().filter(|carrier| *carrier != order[0]).collect();
        expected.insert(0, order[0]);
        assert_eq!(order, expected);
    }
    // Of the ten pairs the most loaded wins none and the least loaded four.
    for (carrier, share) in [(0, 0), (1, 3000), (2, 2000), (3, 4000), (4, 1000)] {
        assert!(i32::abs(firsts[carrier] - share) < 300, "{firsts:?}");
    }
}

#[test]
fn what_came_back_no_longer_weighs() {
    let mut stage = stage("  - { to: [c0, c1], choose: least_loaded }\n");
    stage.send(0, 3);
    stage.send(1, 2);
    assert_eq!(stage.order_of(0), [1, 0]);
    stage.loads.settled(CarrierId(0), Outcome::InDoubt);
    stage.loads.settled(CarrierId(0), Outcome::Accepted);
    assert_eq!(stage.order_of(0), [0, 1]);
}

#[test]
fn a_carrier_without_a_link_is_not_the_least_loaded_for_a_second() {
    let mut stage = stage("  - { to: [c0, c1, c2], choose: least_loaded }\n");
    stage.send(0, 1);
    stage.send(1, 20);
    stage.send(2, 30);
    stage.loads.returned(CarrierId(0), ReturnReason::NotBound, stage.now);
    for pick in 0..100_u64 {
        assert_eq!(*stage.order_of(pick << 32 | pick).last().unwrap(), 0);
    }
    stage.now = stage.now + Duration::from_secs(1);
    assert_eq!(stage.order_of(0)[0], 0);
    stage.send(0, 3);
    stage.loads.returned(CarrierId(0), ReturnReason::QueueFull, stage.now);
    assert_eq!(stage.order_of(0)[0], 0);
    stage.loads.returned(CarrierId(0), ReturnReason::NotBound, stage.now);
    assert_eq!(stage.order_of(0)[0], 1);
    // It has answered since.
    stage.loads.settled(CarrierId(0), Outcome::Accepted);
    assert_eq!(stage.order_of(0)[0], 0);
}

#[test]
fn a_part_begins_where_the_others_went_also_with_weight_0() {
    for (choose, begun, expected) in [
        ("order", 0, &[0, 1, 2, 3][..]),
        ("order", 1, &[1, 2, 3]),
        ("order", 3, &[3, 1, 2]),
        ("least_loaded", 0, &[0, 1, 3, 2]),
        ("least_loaded", 1, &[1, 3, 2]),
        ("least_loaded", 2, &[2, 1, 3]),
        ("order", 4, &[1, 2, 3]),
    ] {
        let mut stage = stage(&format!("  - {{ to: [{{ carrier: c0, weight: 0 }}, c1, c2, c3], choose: {choose} }}\n"));
        stage.send(2, 150);
        let mut choice = stage.table.choose(&stage.query("acme", "1", "", 0), 1).unwrap();
        stage.table.begin_with(&mut choice, CarrierId(begun));
        let next = || stage.table.next_carrier(&mut choice, &stage.loads, stage.now);
        let tried: Vec<u16> = std::iter::from_fn(next).map(|id| id.0).collect();
        assert_eq!(tried, expected, "{choose} {begun}");
    }
}

#[test]
fn parts_of_one_message_draw_the_same_two() {
    let stage = stage("  - { to: [c0, c1, c2, c3], choose: least_loaded }\n");
    let mut pairs = std::collections::BTreeMap::new();
    for part in 1..=4800_u32 {
        let draw = || stage.table.choose(&stage.query("acme", "1", "", 0), part.into());
        assert_eq!(draw(), draw());
        *pairs.entry(stage.order_of(part.into())[0]).or_insert(0) += 1;
    }
    assert_eq!(pairs.into_values().collect::<Vec<_>>(), [1200; 4]);
}

#[test]
fn one_carrier_alone_is_tried_though_no_route_names_it_and_no_submit_finds_it_by_the_routes() {
    let stage = stage("  - { when: { destination: 49* }, to: c0 }\n");
    let mut choice = stage.table.only(CarrierId(4)).unwrap();
    let tried = |choice: &mut RouteChoice| stage.table.next_carrier(choice, &stage.loads, stage.now);
    assert_eq!((tried(&mut choice), tried(&mut choice)), (Some(CarrierId(4)), None));
    assert_eq!(stage.table.only(CarrierId(5)), None, "there is no such carrier");
    assert_eq!(stage.carriers("acme", "33100000"), [0; 0]);
    // Another table, after a reload, makes the choice anew; where it has been is not tried again.
    let table = RouteTable::of_generation(&stage.config, 1);
    assert!(table.is_stale(&choice) && table.only(CarrierId(4)).is_some_and(|choice| !table.is_stale(&choice)));
    let mut choice = table.only(CarrierId(4)).unwrap();
    assert!(table.take(&mut choice, CarrierId(4)));
    assert_eq!(table.next_carrier(&mut choice, &stage.loads, stage.now), None);
}
