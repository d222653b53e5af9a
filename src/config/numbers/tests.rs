//! The table of numbers: what a file may say, and what is found in it.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::config::{self, Problem, Surroundings};

/// Reads tables whose files have these contents, in order.
fn read_files(files: &[&[u8]]) -> Result<Arc<Numbers>, Vec<Problem>> {
    let names: Vec<String> = (0..files.len()).map(|at| format!("{at}.csv")).collect();
    let file = |path: &Path| {
        let at = names.iter().position(|name| path == Path::new(name)).ok_or("no such file")?;
        Ok(files[at].to_vec())
    };
    let surroundings = Surroundings { base: PathBuf::new(), env: &|_| None, file: &file };
    let parsed = config::parse(&format!("numbers: {{ file: [{}] }}", names.join(", ")), &surroundings)?;
    Ok(parsed.config.numbers.unwrap())
}

#[track_caller]
fn table(text: &str) -> Arc<Numbers> {
    match read_files(&[text.as_bytes()]) {
        Ok(numbers) => numbers,
        Err(problems) => panic!("{text}\n{problems:?}"),
    }
}

#[track_caller]
fn problems(text: &[u8]) -> Vec<String> {
    let problems = read_files(&[text]).expect_err("it was accepted");
    problems.iter().map(ToString::to_string).collect()
}

/// `mcc/mnc name`, or nothing.
fn found(numbers: &Numbers, address: &str) -> String {
    let Some(network) = numbers.find(address.as_bytes()) else { return String::new() };
    let mnc = network.mnc.map_or_else(String::new, |mnc| format!("/{mnc}"));
    format!("{}{mnc} {}", network.mcc, network.name)
}

#[test]
fn the_narrowest_range_that_holds_a_number_wins() {
    let numbers = table(
        "# whole countries\n49,262,,Germany\n1,310,,\"United States, and more\"\n\n49151,262,01,Telekom\n\
         # and a part of a prefix\n4915150,4915159,262,02,Vodafone\r\n49151555,262,3,\"O2 \"\"Germany\"\"\"\n",
    );
    for (address, expected) in [
        ("4930123456", "262 Germany"),
        ("+4915149999", "262/1 Telekom"),
        ("004915150", "262/2 Vodafone"),
        ("4915155499", "262/2 Vodafone"),
        ("4915155500", "262/3 O2 \"Germany\""),
        ("49151556", "262/2 Vodafone"),
        ("4915155", "262/2 Vodafone"),
        ("49151", "262/1 Telekom"),
        ("4", ""),
        ("491516", "262/1 Telekom"),
        ("491520", "262 Germany"),
        ("50", ""),
        ("48999999999999999", ""),
        ("1", "310 United States, and more"),
        ("19999999999999999999", "310 United States, and more"),
        ("2", ""),
        ("", ""),
        ("+", ""),
        ("4915a", ""),
        ("TELEKOM", ""),
    ] {
        assert_eq!(found(&numbers, address), expected, "{address}");
    }
    assert_eq!((numbers.ranges(), numbers.networks().len()), (5, 5));
}

#[test]
fn ranges_that_overlap_partly_go_to_the_narrower_and_then_to_the_later() {
    let numbers = table("100,199,200,1,wide\n150,229,201,1,narrow\n210,289,202,1,later\n");
    for (address, name) in [("149", "wide"), ("150", "narrow"), ("199", "narrow"), ("209", "narrow"), ("210", "later")]
    {
        assert_eq!(numbers.find(address.as_bytes()).unwrap().name, name, "{address}");
    }
    assert_eq!(found(&numbers, "290"), "");
}

#[test]
fn a_header_names_the_columns_in_any_order() {
    let text = "\u{feff}Country, MNC ,mcc,from,to,Name,prefix\nDE,01,262,4900,4909,Telekom,\nUK,,234,,,EE,+44\n";
    let numbers = table(text);
    assert_eq!(found(&numbers, "4905"), "262/1 Telekom");
    assert_eq!(found(&numbers, "441"), "234 EE");
    let bare = table("mcc,prefix\n262,49");
    assert_eq!(found(&bare, "491"), "262 ");
}

#[test]
fn several_files_are_one_table() {
    let numbers = read_files(&[b"49,262,,Germany", b"prefix,mcc,mnc,name\n49151,262,01,Telekom\n"]).unwrap();
    assert_eq!(found(&numbers, "49151"), "262/1 Telekom");
    assert_eq!(found(&numbers, "49152"), "262 Germany");
    let problems = read_files(&[b"49,262,,Germany", b"4,262,,x\n\n490,499,262,,Germany\n"]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].to_string(), "numbers.file[1]: 1.csv line 3: says the same numbers as 0.csv line 1");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (row, message) in [
        ("49,262,01", "has 3 columns; without a header"),
        ("49;262;01;Telekom", "has 1 columns"),
        ("4 9,262,01,x", "\"4 9\": must be the digits"),
        ("phone,262,01,x", "\"phone\": must be the digits"),
        (",262,01,x", "has neither"),
        ("+,262,01,x", "\"+\": must be the digits"),
        ("1234567890123456,262,01,x", "has more than 15 digits"),
        ("49,26,01,x", "\"26\": must be a mobile country code"),
        ("49,+26,01,x", "\"+26\": must be a mobile country code"),
        ("49,,01,x", "\"\": must be a mobile country code"),
        ("49,262,0001,x", "\"0001\": must be a mobile network code"),
        ("49,262,-1,x", "\"-1\": must be a mobile network code"),
        ("490,49,262,01,x", "as many digits"),
        ("490,,262,01,x", "\"\": must be the digits"),
        ("492,491,262,01,x", "must not be above"),
        ("49,262,01,\"x", "not closed"),
        ("49,262,01,\"x\"y", "between a closing quote"),
        ("49,262,01,x\"y\"", "quote within a field"),
        ("49,262,01,x\u{7}y", "at most 128 octets of text"),
    ] {
        let text = format!("# a comment\n48,260,,Poland\n{row}\n47,242,,Norway\n");
        let problems = problems(text.as_bytes());
        assert_eq!(problems.len(), 1, "{row}: {problems:?}");
        assert!(problems[0].starts_with("numbers.file[0]: 0.csv line 3: "), "{}", problems[0]);
        assert!(problems[0].contains(message), "{row}: {}", problems[0]);
    }
    assert_eq!(problems(b"49,262,01,Telef\xF3nica\n"), ["numbers.file[0]: 0.csv line 1: is not UTF-8"]);
    assert_eq!(problems(b"\n# nothing\n"), ["numbers.file[0]: 0.csv holds no range"]);
}

#[test]
fn a_header_says_what_a_row_needs() {
    for (header, message) in [
        ("mcc,mnc,name", "needs `prefix`"),
        ("from,mcc", "`from` and no `to`"),
        ("to,mcc", "`to` and no `from`"),
        ("prefix,mcc,PREFIX", "prefix twice"),
    ] {
        let problems = problems(format!("{header}\nrubbish\n").as_bytes());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("line 1: ") && problems[0].contains(message), "{}", problems[0]);
    }
    // Without `mcc` it is taken for a row.
    assert!(problems(b"prefix,mnc,name,mmc\n")[0].contains("\"prefix\": must be the digits"));
    assert!(problems(b"prefix,mcc\n49,262,01\n")[0].contains("has 3 columns, and the header 2"));
    assert!(problems(b"prefix,from,to,mcc\n49,1,2,262\n")[0].contains("only one can be meant"));
}

#[test]
fn many_wrong_lines_get_a_bounded_answer() {
    let problems = problems("rubbish\n".repeat(1000).as_bytes());
    assert_eq!(problems.len(), 51);
    assert_eq!(problems[50], "numbers.file[0]: 0.csv: 950 more lines are wrong; they are not listed");
    let twice = "49,262,,x\n".repeat(1000);
    assert_eq!(self::problems(twice.as_bytes()).len(), 51);
}

#[test]
fn files_and_rows_are_bounded() {
    let file = vec![b'#'; rows::LONGEST_FILE + 1];
    assert_eq!(problems(&file), ["numbers.file[0]: the file 0.csv is longer than 64 MiB"]);
    let surroundings = Surroundings {
        base: PathBuf::new(),
        env: &|_| None,
        file: &|_| Ok(b"1,262,,a\n2,262,,b\n3,262,,c\n".to_vec()),
    };
    let node = crate::config::raw::Node::Scalar("n.csv".to_owned());
    for (most, expected) in
        [(3, ""), (2, "numbers.file: n.csv line 3: is a row too many: at most 2 are possible, all files together")]
    {
        let reading = Reading::new(&surroundings);
        let value = crate::config::reader::Value { path: "numbers.file".to_owned(), node: &node, reading: &reading };
        rows::Table::new(most).read(&value);
        let told: Vec<String> = reading.finish().0.iter().map(ToString::to_string).collect();
        assert_eq!(told.join("\n"), expected);
    }
}

#[test]
fn a_piece_takes_twelve_octets_and_a_range_seldom_more_than_one() {
    // No gap between them, and each another network's than the one before it.
    let rows = (0..10_000_u64).map(|at| format!("{},262,{:02},n{}\n", 4_910_000 + at, at % 7, at % 7));
    let numbers = table(&rows.collect::<String>());
    assert_eq!((numbers.ranges(), numbers.networks().len()), (10_000, 7));
    assert_eq!(size_of_val(&numbers.starts[0]) + size_of_val(&numbers.owners[0]), 12);
    // "491001" itself, before 4910010, is nobody's.
    assert_eq!(numbers.starts.len(), 11_000);
    assert!(numbers.memory() < 12 * 11_000 + 1024, "{}", numbers.memory());
}

proptest! {
    /// Against looking at every range.
    #[test]
    fn a_number_is_found_as_if_every_range_were_looked_at(
        rows in proptest::collection::btree_map(("[1-3][0-3]{0,3}", 0_u64..30), 200_u16..205, 1..40),
        asked in proptest::collection::vec("[1-4][0-9]{0,5}", 50),
    ) {
        let mut ranges = std::collections::BTreeMap::new();
        for ((from, more), mcc) in &rows {
            let first: u64 = from.parse().unwrap();
            let last = (first + more).min(10_u64.pow(from.len() as u32) - 1);
            let width = (last - first + 1) * 10_u64.pow((MOST_DIGITS - from.len()) as u32);
            // Ranges that are written alike or of which one ends in zeros and nines may be equal: only the first is kept.
            let filled = format!("{from:0<6}");
            ranges.entry((filled, width)).or_insert((from.clone(), last.to_string(), *mcc));
        }
        let text: String = ranges.values().map(|(from, to, mcc)| format!("{from},{to},{mcc},,\n")).collect();
        let numbers = table(&text);
        for address in asked {
            // A number of more digits than any range, so that nothing is missing.
            let address = format!("{address:0<6}");
            let holds = |(from, to, _): &(String, String, u16)| {
                let head = &address[..from.len()];
                from.as_str() <= head && head <= to.as_str()
            };
            let holding = ranges.iter().filter(|(_, range)| holds(range));
            let best = holding.min_by_key(|((first, width), _)| (*width, Reverse(first.clone())));
            prop_assert_eq!(numbers.find(address.as_bytes()).map(|network| network.mcc), best.map(|(_, range)| range.2));
        }
    }

    #[test]
    fn no_file_makes_the_reading_panic(text in r#"((prefix|from|to|mcc|mnc|name|[0-9+]{0,4}|"|,|\n| |\PC)){0,40}"#) {
        let _ = read_files(&[text.as_bytes()]);
    }
}
