//! Ledgers in which one thing went wrong, each of which must be caught; and ledgers in which nothing did.

use std::io::Write;

use super::*;
use crate::tools::from_flags;

/// Two accounts and a carrier: three submits acknowledged with their receipts, one refused, one lost with its connection.
const LOAD: &str = "\
+ 0 acme transceiver 100
+ 1 globex transceiver 100
S 0 #1
S 0 #2
S 1 #3
S 0 #4
A 0 #1 0 a1
A 0 #2 0 a2
A 1 #3 0 a3
A 0 #4 58 -
R 0 #1 a1 DELIVRD 0
R 0 #2 a2 ENROUTE 0
R 0 #2 a2 UNDELIV 0
S 0 #5
D 0 #5
- 0 200
+ 2 acme transceiver 300
R 1 #3 a3 DELIVRD 0
R 2 #5 a5 DELIVRD 0
";

const SMSC: &str = "\
+ 1 us transceiver 100
A 1 #1 1 DELIVRD
A 1 #2 2 UNDELIV
A 1 #3 3 DELIVRD
N 1 #4 58
R 1 #1 1 DELIVRD
K 1 #1 1 DELIVRD 0
R 1 #2 2 ENROUTE
K 1 #2 2 ENROUTE 0
R 1 #2 2 UNDELIV
K 1 #2 2 UNDELIV 0
R 1 #3 3 DELIVRD
L 1 #3 3 DELIVRD
A 1 #5 5 DELIVRD
- 1 200
+ 2 us transceiver 300
X 2 #3 3 DELIVRD
K 2 #3 3 DELIVRD 0
R 2 #5 5 DELIVRD
K 2 #5 5 DELIVRD 0
";

/// The verdict on these ledgers, with one crash; `#7` stands for a tag.
fn judge_within(loads: &[&str], smscs: &[&str], bounds: &str) -> Verdict {
    #[derive(clap::Args)]
    struct Flags {
        #[command(flatten)]
        bounds: Bounds,
    }
    let tagged = |text: &str| text.replace('#', "0000beef-000000000");
    let mut books = Books::default();
    for ledger in smscs {
        tagged(ledger).lines().for_each(|line| books.smsc_line(line).unwrap());
    }
    for ledger in loads {
        books.begin_load();
        tagged(ledger).lines().for_each(|line| books.load_line(line).unwrap());
    }
    for ledger in loads {
        books.begin_load();
        tagged(ledger).lines().for_each(|line| books.receipt_line(line).unwrap());
    }
    books.verdict(&from_flags::<Flags>(bounds).unwrap().bounds, None)
}

fn judge(load: &str, smsc: &str) -> Verdict {
    judge_within(&[load], &[smsc], "--crashes 1 --window 1 --delivery-window 1")
}

/// The promises that were broken, and the offenders named.
fn broken(verdict: &Verdict) -> Vec<(&str, Vec<&str>)> {
    let rows = verdict.rows.iter().filter(|row| !row.is_kept());
    rows.map(|row| {
        (row.invariant, row.first.iter().map(|name| name.trim_start_matches("0000beef-000000000")).collect())
    })
    .collect()
}

/// The clean ledgers with one change of each kind; what it breaks.
fn breaks(load: (&str, &str), smsc: (&str, &str), expected: &[(&str, &str)]) {
    let changed = |text: &str, (from, to): (&str, &str)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let verdict = judge(&changed(LOAD, load), &changed(SMSC, smsc));
    assert!(!verdict.is_clean());
    let found = broken(&verdict);
    let flat: Vec<(&str, &str)> =
        found.iter().flat_map(|(row, names)| names.iter().map(|name| (*row, *name))).collect();
    assert_eq!(flat, expected, "{}", verdict.table());
}

const SAME: (&str, &str) = ("", "");

#[test]
fn ledgers_in_which_nothing_went_wrong_are_clean() {
    let verdict = judge(LOAD, SMSC);
    assert!(verdict.is_clean(), "{}", verdict.table());
    assert_eq!((verdict.submitted, verdict.acknowledged, verdict.refused, verdict.in_doubt), (5, 3, 1, 1));
    assert_eq!((verdict.receipts, verdict.receipts_offered_again), (5, 1));
}

#[test]
fn an_answer_before_its_sync_shows_when_its_receipt_never_comes() {
    breaks(("R 1 #3 a3 DELIVRD 0\n", ""), SAME, &[("I2", "3 DELIVRD was acknowledged to its carrier and never came")]);
}

#[test]
fn a_receipt_acknowledged_before_its_sync_shows_when_it_never_comes() {
    // The intermediate one came, and makes up for nothing.
    let lost = [("I2", "2 UNDELIV was acknowledged to its carrier and never came")];
    breaks(("R 0 #2 a2 UNDELIV 0\n", ""), SAME, &lost);
}

#[test]
fn a_receipt_that_a_final_one_superseded_is_not_missed() {
    let verdict = judge(&LOAD.replace("R 0 #2 a2 ENROUTE 0\n", ""), SMSC);
    assert!(verdict.is_clean(), "{}", verdict.table());
}

#[test]
fn a_receipt_dropped_as_unmatched_shows_as_refused_or_lost() {
    let (settled, never) = ("K 1 #1 1 DELIVRD 0\n", "K 1 #1 1 DELIVRD 65\n");
    let unsettled = "1 DELIVRD was not taken";
    breaks(("R 0 #1 a1 DELIVRD 0\n", ""), (settled, never), &[("I2", unsettled)]);
}

#[test]
fn a_run_that_ended_before_its_receipts_were_settled_shows_nothing() {
    let told = "2 UNDELIV was sent and never acknowledged";
    breaks(SAME, ("K 1 #2 2 UNDELIV 0\n", ""), &[("I2", told)]);
    let sent = "R 1 #2 2 UNDELIV\nK 1 #2 2 UNDELIV 0\n";
    breaks(("R 0 #2 a2 UNDELIV 0\n", ""), (sent, ""), &[("I2", "2 UNDELIV was not taken")]);
}

#[test]
fn a_key_without_the_carrier_shows_as_a_receipt_with_anothers_id_or_at_another_account() {
    // The receipt of the second carrier's message 1 was taken for that of the first's.
    let (from, anothers) = ("R 0 #2 a2 UNDELIV 0\n", "R 0 #2 a1 UNDELIV 0\n");
    let lost = ("I2", "2 UNDELIV was acknowledged to its carrier and never came");
    breaks((from, anothers), SAME, &[lost, ("I3", "2 with id a1 and UNDELIV at acme: its id is a2")]);
    let elsewhere = "R 1 #2 a3 UNDELIV 0\n";
    breaks((from, elsewhere), SAME, &[lost, ("I3", "2 with id a3 and UNDELIV at globex: it belongs to acme")]);
}

#[test]
fn a_wrong_id_and_a_wrong_state_are_caught() {
    let lost = ("I2", "1 DELIVRD was acknowledged to its carrier and never came");
    let receipt = "R 0 #1 a1 DELIVRD 0";
    let wrong_id = "1 with id a9 and DELIVRD at acme: its id is a1";
    breaks((receipt, "R 0 #1 a9 DELIVRD 0"), SAME, &[lost, ("I3", wrong_id)]);
    let wrong_state = "1 with id a1 and EXPIRED at acme: a state its carrier never sent";
    breaks((receipt, "R 0 #1 a1 EXPIRED 0"), SAME, &[lost, ("I3", wrong_state)]);
    let none = "a receipt without a tag with id a9 and DELIVRD at acme: an id that was never given out";
    breaks((receipt, "R 0 - a9 DELIVRD 0"), SAME, &[lost, ("I3", none)]);
    let unknown = "8 with id a1 and DELIVRD at acme: a submit that nobody made";
    breaks((receipt, "R 0 #8 a1 DELIVRD 0"), SAME, &[lost, ("I3", unknown)]);
}

#[test]
fn a_receipt_for_a_submit_in_doubt_or_refused_may_not_carry_what_is_anothers() {
    let anothers = "5 with id a1 and DELIVRD at acme: that is the id of 0000beef-0000000001";
    breaks(("R 2 #5 a5", "R 2 #5 a1"), SAME, &[("I3", anothers)]);
    let twice = "R 2 #5 a5 DELIVRD 0\nR 2 #5 a6 DELIVRD 0";
    breaks(("R 2 #5 a5 DELIVRD 0", twice), SAME, &[("I3", "5 with id a6 and DELIVRD at acme: its id was a5 before")]);
    let refused = "4 with id a4 and DELIVRD at acme: it was refused with ESME_RTHROTTLED (0x58)";
    breaks(("R 2 #5 a5", "R 2 #4 a4 DELIVRD 0\nR 2 #5 a5"), SAME, &[("I3", refused)]);
}

#[test]
fn a_receipt_without_a_text_is_known_by_its_id() {
    let verdict = judge(&LOAD.replace("R 0 #1 a1 DELIVRD 0", "R 0 - a1 DELIVRD 0"), SMSC);
    assert!(verdict.is_clean(), "{}", verdict.table());
}

#[test]
fn a_submit_in_doubt_that_was_sent_again_is_accepted_twice() {
    breaks(SAME, ("- 1 200", "A 1 #5 6 DELIVRD\n- 1 200"), &[("I4", "5 accepted 2 times")]);
}

#[test]
fn an_acknowledgement_without_an_accept_and_a_refusal_with_one_are_caught() {
    let unaccepted = [("I1", "1 accepted 0 times")];
    breaks(SAME, ("A 1 #1 1 DELIVRD\n", ""), &unaccepted);
    breaks(SAME, ("N 1 #4 58\n", "A 1 #4 4 -\n"), &[("A2", "4 refused with ESME_RTHROTTLED (0x58)")]);
    let (answer, doubted) = ("A 0 #4 58 -\n", "A 0 #4 ff -\n");
    let verdict = judge(&LOAD.replace(answer, doubted), &SMSC.replace("N 1 #4 58\n", "A 1 #4 4 -\n"));
    assert!(verdict.is_clean(), "{}", verdict.table());
}

#[test]
fn an_id_given_to_two_submits_is_caught() {
    let same_id = [
        ("I1", "2 got id a1 of 0000beef-0000000001"),
        ("I2", "2 ENROUTE was acknowledged to its carrier and never came"),
        ("I3", "2 with id a2 and ENROUTE at acme: its id is a1"),
        ("I3", "2 with id a2 and UNDELIV at acme: its id is a1"),
    ];
    breaks(("A 0 #2 0 a2", "A 0 #2 0 a1"), SAME, &same_id);
}

#[test]
fn repeats_are_allowed_as_far_as_a_crash_or_the_carrier_excuses_them() {
    let twice = LOAD.replace("R 0 #1 a1 DELIVRD 0\n", "R 0 #1 a1 DELIVRD 0\nR 0 #1 a1 DELIVRD 0\n");
    assert!(judge(&twice, SMSC).is_clean(), "one crash excuses one");
    let uncrashed = judge_within(&[&twice], &[SMSC], "--crashes 0 --window 1");
    let rows = broken(&uncrashed);
    assert_eq!(rows, [("I5", vec!["1 came 1 times too often"]), ("I6", vec!["5"])], "{}", uncrashed.table());
    // The carrier had sent this one twice.
    let excused = LOAD.replace("R 1 #3 a3 DELIVRD 0\n", "R 1 #3 a3 DELIVRD 0\nR 1 #3 a3 DELIVRD 0\n");
    let verdict = judge_within(&[&excused], &[SMSC], "--crashes 1 --window 1 --delivery-window 0");
    assert!(verdict.is_clean(), "{}", verdict.table());
    // But its second try was turned away.
    let refused = SMSC.replace("X 2 #3", "K 2 #3 3 DELIVRD 64\nX 2 #3");
    let verdict = judge_within(&[&excused], &[&refused], "--crashes 1 --window 1 --delivery-window 0");
    assert_eq!(broken(&verdict), [("I5", vec!["3 came 1 times too often"])], "{}", verdict.table());
}

#[test]
fn more_accepted_and_never_answered_than_a_window_is_caught() {
    let load = LOAD.replace("S 0 #5\nD 0 #5\n", "S 0 #5\nD 0 #5\nS 0 #6\nD 0 #6\n");
    let smsc = SMSC.replace("- 1 200", "A 1 #6 6 -\n- 1 200");
    assert_eq!(broken(&judge(&load, &smsc)), [("I6", vec!["5", "6"])]);
    let two = judge_within(&[&load], &[&smsc], "--crashes 1 --window 2 --delivery-window 1");
    assert!(two.is_clean(), "{}", two.table());
}

#[test]
fn a_submit_without_an_outcome_with_two_or_sent_twice_is_unaccounted_for() {
    breaks(("A 0 #4 58 -\n", ""), SAME, &[("I7", "4 submitted, and nothing is known of it")]);
    let two = "4 has two outcomes: Refused(CommandStatus(88)) and InDoubt";
    breaks(("A 0 #4 58 -\n", "A 0 #4 58 -\nD 0 #4\n"), SAME, &[("I7", two)]);
    breaks(("S 0 #4\n", "S 0 #4\nS 0 #4\n"), SAME, &[("I7", "4 submitted twice")]);
    breaks(("S 0 #4\n", ""), SAME, &[("I7", "4 has an outcome and was not submitted before")]);
    breaks(SAME, ("- 1 200", "A 1 #7 7 -\n- 1 200"), &[("I7", "7 accepted by a carrier, and nobody submitted it")]);
}

#[test]
fn a_receipt_before_its_answer_is_caught_on_one_connection_and_allowed_on_two() {
    let (answer, receipt) = ("A 0 #1 0 a1\n", "R 0 #1 a1 DELIVRD 0\n");
    let without = LOAD.replace(receipt, "");
    let early = without.replace(answer, &format!("{receipt}{answer}"));
    assert_eq!(broken(&judge(&early, SMSC)), [("I9", vec!["1 on connection 0"])]);
    let elsewhere = without
        .replace("+ 1 globex", "+ 9 acme receiver 100\n+ 1 globex")
        .replace(answer, &format!("R 9 #1 a1 DELIVRD 0\n{answer}"));
    assert!(judge(&elsewhere, SMSC).is_clean());
}

#[test]
fn receipts_may_come_to_another_run_and_from_another_carrier() {
    let receipts: String = LOAD.lines().filter(|line| line.starts_with('R')).map(|line| format!("{line}\n")).collect();
    let others = format!("+ 0 acme receiver 1\n+ 1 globex receiver 1\n+ 2 acme receiver 1\n{receipts}");
    let submits: String = LOAD.lines().filter(|line| !line.starts_with('R')).map(|line| format!("{line}\n")).collect();
    let (north, south): (Vec<_>, Vec<_>) = SMSC.lines().partition(|line| line.contains("#1"));
    let flags = "--crashes 1 --window 1 --delivery-window 1";
    let verdict = judge_within(&[&others, &submits], &[&north.join("\n"), &south.join("\n")], flags);
    assert!(verdict.is_clean(), "{}", verdict.table());
}

#[test]
fn ledgers_in_which_nothing_was_acknowledged_show_nothing() {
    let verdict = judge_within(&["+ 0 acme transceiver 1\nS 0 #1\nA 0 #1 8 -\n"], &[""], "");
    assert!(broken(&verdict).is_empty() && !verdict.is_clean());
}

#[test]
fn a_line_that_is_none_is_an_error() {
    let mut books = Books::default();
    assert!(books.load_line("what is this").is_err() && books.smsc_line("A 1").is_err());
    assert!(books.load_line("S 4 0000beef-0000000001").is_err(), "connection 4 was never bound");
}

const CDR: &str = "\
{\"node\":0,\"shard\":0,\"sequence\":1,\"event\":\"accepted\",\"id\":\"a1\"}
{\"node\":0,\"shard\":0,\"sequence\":2,\"event\":\"accepted\",\"id\":\"x\",\"message\":\"a2\"}
{\"node\":0,\"shard\":0,\"sequence\":3,\"event\":\"accepted\",\"id\":\"a3\"}
{\"node\":0,\"shard\":0,\"sequence\":4,\"event\":\"refused\",\"status\":88}
{\"node\":0,\"shard\":0,\"sequence\":5,\"event\":\"final\",\"id\":\"a1\",\"state\":\"DELIVRD\"}
{\"node\":0,\"shard\":0,\"sequence\":6,\"event\":\"final\",\"id\":\"x\",\"message\":\"a2\",\"state\":\"UNDELIV\"}
{\"node\":0,\"shard\":0,\"sequence\":7,\"event\":\"final\",\"id\":\"a3\",\"state\":\"DELIVRD\"}
{\"node\":0,\"shard\":0,\"sequence\":8,\"event\":\"accepted\",\"id\":\"a5\"}
";

/// The promises about the call detail records that these lines break.
fn broken_by(cdr: &str) -> Vec<String> {
    let mut books = Books::default();
    let tagged = |text: &str| text.replace('#', "0000beef-000000000");
    tagged(SMSC).lines().for_each(|line| books.smsc_line(line).unwrap());
    tagged(LOAD).lines().for_each(|line| books.load_line(line).unwrap());
    let mut book = CdrBook::default();
    book.file("cdr", cdr.as_bytes(), &mut Default::default()).unwrap();
    let rows = book.rows(&books, 3, 1);
    rows.into_iter().filter(|row| !row.is_kept()).map(|row| row.promise).collect()
}

#[test]
fn call_detail_records_that_lack_or_repeat_a_line_are_caught() {
    assert_eq!(broken_by(CDR), [""; 0]);
    let without = |part: &str| -> String {
        let lines: Vec<_> = CDR.lines().filter(|line| !line.contains(part)).map(|line| format!("{line}\n")).collect();
        lines.concat()
    };
    let (accepted, ended) = ("one accepted line each", "one final line for each that came to its end");
    let gaps = "lines without gaps";
    assert_eq!(broken_by(&without("\"sequence\":3")), [accepted, gaps]);
    assert_eq!(broken_by(&without("\"sequence\":6")), [ended, gaps]);
    assert_eq!(broken_by(&without("refused")), ["a line for each refusal", gaps]);
    let last = CDR.lines().last().unwrap();
    for (more, broken) in
        [("accepted\",\"id\":\"a1\"", accepted), ("final\",\"id\":\"a3\",\"state\":\"DELIVRD\"", ended)]
    {
        let line = last.replace("\"sequence\":8", "\"sequence\":9").replace("accepted\",\"id\":\"a5\"", more);
        assert_eq!(broken_by(&format!("{CDR}{line}\n")), [broken]);
    }
    assert_eq!(broken_by(&CDR.replace("UNDELIV", "DELIVRD")), [ended]);
}

#[test]
fn the_line_that_a_killed_process_did_not_end_is_none() {
    let directory = std::env::temp_dir().join(format!("trunkline-reconcile-cdr-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let text = format!("{CDR}{{\"node\":0,\"shard\":0,\"sequence\":9,\"ev\0\0");
    let file = std::fs::File::create(directory.join("cdr-0000-000-00000000000000000001.jsonl.open"));
    file.unwrap().write_all(text.as_bytes()).unwrap();
    let book = CdrBook::read(&directory);
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(book.unwrap().lines(), 8);
}
