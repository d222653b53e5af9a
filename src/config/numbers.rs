//! The `numbers` section: which mobile network a destination belongs to, from CSV files of ranges (`rows`).
//!
//! Numbers are compared digit by digit from the left, as words are in a dictionary: a prefix holds every number that begins with
//! it, a range all between the first that begins with `from` and the last that begins with `to`. At load the ranges are cut
//! into pieces that do not overlap, so a look-up is one binary search.

mod rows;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;

use super::pattern::significant;
use super::reader::{Fields, Reading};
use rows::Row;

/// E.164.
const MOST_DIGITS: usize = 15;
/// In all files together.
const MOST_ROWS: usize = 1_000_000;
/// The owner of a piece where no range lies.
const NOBODY: u32 = u32::MAX;

/// A country's code and a network's within it, and its name in the table.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MobileNetwork {
    pub mcc: u16,
    /// `None`: the table only knows the country.
    pub mnc: Option<u16>,
    pub name: String,
}

impl fmt::Display for MobileNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mcc {:03}", self.mcc)?;
        if let Some(mnc) = self.mnc {
            write!(f, " mnc {mnc:02}")?;
        }
        if self.name.is_empty() { Ok(()) } else { write!(f, " {}", self.name) }
    }
}

/// Ranges of numbers and whose they are.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Numbers {
    /// Where each piece begins, ascending.
    starts: Vec<u64>,
    /// Whose each piece is, by position in `networks`.
    owners: Vec<u32>,
    networks: Vec<MobileNetwork>,
    ranges: usize,
}

impl Numbers {
    /// The network of a number, written with or without `+` or `00`; `None` when it is in no range, or no number.
    #[must_use]
    pub fn find(&self, address: &[u8]) -> Option<&MobileNetwork> {
        let place = in_order(significant(address))?;
        let piece = self.starts.partition_point(|start| *start <= place).checked_sub(1)?;
        self.networks.get(self.owners[piece] as usize)
    }

    #[must_use]
    pub fn networks(&self) -> &[MobileNetwork] {
        &self.networks
    }

    /// Rows of the files.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.ranges
    }

    /// What the look-up needs, in octets.
    #[must_use]
    pub fn memory(&self) -> usize {
        let names: usize = self.networks.iter().map(|network| network.name.capacity()).sum();
        self.starts.capacity() * size_of::<u64>()
            + self.owners.capacity() * size_of::<u32>()
            + self.networks.capacity() * size_of::<MobileNetwork>()
            + names
    }

    fn new(mut rows: Vec<Row>, networks: Vec<MobileNetwork>) -> Self {
        rows.sort_unstable_by_key(|row| (row.first, row.last));
        let (starts, owners) = pieces(&rows);
        Self { starts, owners, networks, ranges: rows.len() }
    }
}

pub(super) fn read(top: &mut Fields<'_>) -> Option<Arc<Numbers>> {
    let files = top.optional("numbers", |numbers| numbers.required("file"))??;
    if files.is_empty_list() {
        files.problem("must name at least one file; without a table remove `numbers`");
    }
    let mut table = rows::Table::new(MOST_ROWS);
    for file in files.elements() {
        table.read(&file);
    }
    table.report_equals(files.reading);
    Some(Arc::new(table.into_numbers()))
}

/// Each piece's beginning and owner: of all ranges that hold a piece the narrowest, of equally wide ones the one that begins last.
fn pieces(rows: &[Row]) -> (Vec<u64>, Vec<u32>) {
    let mut edges: Vec<u64> = rows.iter().flat_map(|row| [row.first, row.last + 1]).collect();
    edges.sort_unstable();
    edges.dedup();
    let (mut starts, mut owners) = (Vec::new(), Vec::new());
    let mut rest = rows.iter();
    let mut open = BinaryHeap::new();
    for edge in edges {
        while let Some(row) = rest.as_slice().first().filter(|row| row.first == edge) {
            open.push((Reverse(row.width), row.first, row.last, row.network));
            rest.next();
        }
        while open.peek().is_some_and(|(_, _, last, _)| *last < edge) {
            open.pop();
        }
        let owner = open.peek().map_or(NOBODY, |(_, _, _, network)| *network);
        if owners.last().copied().unwrap_or(NOBODY) != owner {
            starts.push(edge);
            owners.push(owner);
        }
    }
    starts.shrink_to_fit();
    owners.shrink_to_fit();
    (starts, owners)
}

/// What stands in a number's order for its first 15 digits; where digits are missing stands less than a 0. `None` for what
/// is no number.
fn in_order(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let taken = &digits[..digits.len().min(MOST_DIGITS)];
    let number = taken.iter().fold(0, |number, digit| number * 11 + u64::from(digit - b'0') + 1);
    Some(number * all_that_begin(taken.len()))
}

/// How many places in the order begin with so many digits.
fn all_that_begin(digits: usize) -> u64 {
    11_u64.pow((MOST_DIGITS - digits) as u32)
}

/// Mobile country codes are three digits (ITU-T E.212).
pub(super) fn mcc(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(code) if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(code),
        Ok(_) | Err(_) => Err("must be a mobile country code of three digits".to_owned()),
    }
}

/// Two or three digits; tables that went through a spreadsheet have lost leading zeros, so they are not looked at.
pub(super) fn mnc(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(code) if text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(code),
        Ok(_) | Err(_) => Err("must be a mobile network code of at most three digits".to_owned()),
    }
}
