//! Numbers that nothing is sent to: a file with one a line, compared as patterns are, without a leading `+` or `00`.
//!
//! There may be tens of millions, and every submit asks. A number is spread over 64 bits by a multiplication that no two numbers
//! share a result of; kept in the order of the results, about eight of them lie in a run that the upper bits lead to. So a
//! look-up is exact, touches two places, and a number takes 8.5 octets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::pattern::significant;
use super::reader::{Reading, shown};
use super::{Account, OptOut};

/// E.164.
const MOST_DIGITS: usize = 15;
const LONGEST_FILE: usize = 256 << 20;
/// Of one file's wrong lines so many are told one by one.
const MOST_TOLD: usize = 50;
/// Numbers in a run, on average.
const RUN: usize = 8;

/// A set of numbers.
#[derive(Default)]
pub struct NumberSet {
    /// Ascending.
    spread: Vec<u64>,
    /// Where each run begins in `spread`, and where the last one ends.
    starts: Vec<u32>,
    /// What leaves only the bits that name a run.
    shift: u32,
}

impl fmt::Debug for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers", self.len())
    }
}

impl NumberSet {
    /// Reads a file: a number a line; what follows a `#` is a comment. The lines that are wrong, or why it is not read at all.
    pub fn parse(octets: &[u8]) -> Result<Self, Vec<String>> {
        if octets.len() > LONGEST_FILE {
            return Err(vec!["the file is longer than 256 MiB".to_owned()]);
        }
        let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
        let (mut numbers, mut wrong) = (Vec::new(), 0);
        let mut told = Vec::new();
        for (line, text) in (1_u32..).zip(octets.split(|octet| *octet == b'\n')) {
            let number = text.split(|octet| *octet == b'#').next().unwrap_or_default().trim_ascii();
            if number.is_empty() {
                continue;
            }
            match place(number).filter(|_| significant(number).len() <= MOST_DIGITS) {
                Some(place) => numbers.push(place),
                None => {
                    wrong += 1;
                    if wrong <= MOST_TOLD {
                        let number = shown(&String::from_utf8_lossy(number));
                        told.push(format!("line {line}: {number} is no number of at most {MOST_DIGITS} digits"));
                    }
                }
            }
        }
        if wrong > MOST_TOLD {
            told.push(format!("{} more lines are wrong; they are not listed", wrong - MOST_TOLD));
        }
        if told.is_empty() { Ok(Self::new(numbers)) } else { Err(told) }
    }

    /// In any order, some of them more than once.
    fn new(mut places: Vec<u64>) -> Self {
        places.iter_mut().for_each(|place| *place = spread(*place));
        places.sort_unstable();
        places.dedup();
        places.shrink_to_fit();
        let bits = (places.len() / RUN).next_power_of_two().trailing_zeros().max(1);
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut at = 0;
        for run in 0..1_u64 << bits {
            starts.push(at as u32);
            at += places[at..].iter().take_while(|spread| *spread >> shift == run).count();
        }
        starts.push(at as u32);
        Self { spread: places, starts, shift }
    }

    /// Whether this address, written with or without `+` or `00`, is one of them. What is no number is none.
    #[must_use]
    pub fn contains(&self, address: &[u8]) -> bool {
        if self.spread.is_empty() {
            return false;
        }
        let Some(spread) = place(address).map(spread) else { return false };
        let run = (spread >> self.shift) as usize;
        self.spread[self.starts[run] as usize..self.starts[run + 1] as usize].contains(&spread)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.spread.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spread.is_empty()
    }

    /// What the look-up needs, in octets.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.spread.capacity() * size_of::<u64>() + self.starts.capacity() * size_of::<u32>()
    }
}

/// A number of its own for each string of at most 18 digits; nothing for any other.
fn place(address: &[u8]) -> Option<u64> {
    // Eleven values a digit, so that leading zeros count: 11^18 is the largest power below 2^64.
    const MOST: usize = 18;
    let digits = significant(address);
    let is_number = (1..=MOST).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |place, digit| place * 11 + u64::from(digit - b'0') + 1))
}

/// Odd, so that no two products are the same; what Fibonacci hashing takes, so that neighbours part.
fn spread(place: u64) -> u64 {
    place.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Reads every file that accounts name, each once.
pub(super) fn read(accounts: &mut [Account], reading: &Reading<'_>) {
    let mut known: BTreeMap<PathBuf, Arc<NumberSet>> = BTreeMap::new();
    for account in accounts {
        let Some(OptOut { path, numbers }) = &mut account.opt_out else { continue };
        if let Some(same) = known.get(path) {
            *numbers = Arc::clone(same);
            continue;
        }
        let problem = |message: String| {
            let key = format!("accounts.{}.opt_out", super::reader::shown_key(&account.name));
            reading.problem(key, format!("{}: {message}", path.display()));
        };
        match (reading.surroundings.file)(path) {
            Ok(octets) => match NumberSet::parse(&octets) {
                Ok(set) => *numbers = Arc::new(set),
                Err(lines) => lines.into_iter().for_each(problem),
            },
            Err(error) => problem(format!("cannot be read: {error}")),
        }
        known.insert(path.clone(), Arc::clone(numbers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_however_they_are_written_and_nothing_else_is() {
        let text = b"\xEF\xBB\xBF# do not call\n491700000001\n+49 # not one\n00491700000002\r\n\n  447700900001 # asked\n012345\n";
        let set = NumberSet::parse(text).unwrap();
        assert_eq!(set.len(), 5);
        for number in ["491700000001", "+491700000001", "00491700000001", "491700000002", "+447700900001", "012345"] {
            assert!(set.contains(number.as_bytes()), "{number}");
        }
        for other in ["491700000003", "12345", "0491700000001", "49170000000", "4917000000011", "ACME", "", "+"] {
            assert!(!set.contains(other.as_bytes()), "{other}");
        }
        assert!(!set.contains("1".repeat(30).as_bytes()));
        assert!(!NumberSet::default().contains(b"49"));
        assert!(NumberSet::parse(b"# nobody yet\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_not_without_end() {
        let wrong = NumberSet::parse(b"4917\nACME\n\n49 17\n1234567890123456\n+\n-1\n").unwrap_err();
        let lines: Vec<_> = wrong.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 2", "line 4", "line 5", "line 6", "line 7"]);
        assert_eq!(NumberSet::parse(&b"x\n".repeat(1_000)).unwrap_err().len(), MOST_TOLD + 1);
    }

    #[test]
    fn each_of_very_many_is_found_and_their_neighbours_are_not() {
        for count in [1, 7, 8, 9, 1_000, 100_000] {
            let numbers = || (0..count).map(|at| 491_700_000_000_u64 + at * 2);
            let text: String = numbers().map(|number| format!("{number}\n")).collect();
            let set = NumberSet::parse(text.as_bytes()).unwrap();
            assert_eq!(set.len() as u64, count);
            assert!(numbers().all(|number| set.contains(number.to_string().as_bytes())));
            assert!(numbers().all(|number| !set.contains((number + 1).to_string().as_bytes())));
            let longest_run = set.starts.windows(2).map(|run| run[1] - run[0]).max().unwrap();
            assert!(longest_run <= 64, "{longest_run} of {count}");
            assert!(count < 1_000 || set.memory() as u64 <= count * 9, "{} for {count}", set.memory());
        }
    }

    #[test]
    fn a_file_is_read_once_whoever_names_it_and_what_is_wrong_is_told() {
        let parse = |files: &dyn Fn(&std::path::Path) -> Result<Vec<u8>, String>| {
            let text = "accounts: { a: { password: p, opt_out: list }, b: { password: p, opt_out: list }, c: { password: p } }";
            let surroundings = crate::config::Surroundings { base: "/etc".into(), env: &|_| None, file: files };
            crate::config::parse(text, &surroundings).map(|parsed| parsed.config.accounts)
        };
        let reads = std::cell::Cell::new(0);
        let accounts = parse(&|path| {
            assert_eq!(path, std::path::Path::new("/etc/list"));
            reads.set(reads.get() + 1);
            Ok(b"4917\n".to_vec())
        })
        .unwrap();
        let set = |at: usize| &accounts[at].opt_out.as_ref().unwrap().numbers;
        assert!(Arc::ptr_eq(set(0), set(1)) && set(0).contains(b"4917") && accounts[2].opt_out.is_none());
        assert_eq!(reads.get(), 1);
        let problems = parse(&|_| Err("no such file".to_owned())).unwrap_err();
        assert_eq!(problems[0].to_string(), "accounts.a.opt_out: /etc/list: cannot be read: no such file");
        let problems = parse(&|_| Ok(b"49\nx\n".to_vec())).unwrap_err();
        assert!(problems[0].to_string().contains("/etc/list: line 2: \"x\""), "{}", problems[0]);
    }
}
