//! What the ledgers come to: a row for each promise, with the first that broke it.

use serde::Serialize;

use crate::tools::report::Table;

/// Offenders shown for each row.
const SHOWN: usize = 5;

/// Those that broke a promise: all counted, the first few by name told.
#[derive(Clone, Debug, Default)]
pub(super) struct Offenders {
    pub(super) count: u64,
    pub(super) first: Vec<String>,
}

impl Offenders {
    pub(super) fn add(&mut self, name: String) {
        self.count += 1;
        let at = self.first.partition_point(|first| *first <= name);
        if at < SHOWN {
            self.first.insert(at, name);
            self.first.truncate(SHOWN);
        }
    }
}

/// One promise and how it was kept.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub invariant: &'static str,
    pub promise: String,
    /// How many there were to look at.
    pub checked: u64,
    /// How many were found; more than `allowed` break the promise.
    pub found: u64,
    pub allowed: u64,
    pub first: Vec<String>,
}

impl Row {
    pub(super) fn new(invariant: &'static str, promise: &str, checked: u64, offenders: Offenders) -> Self {
        let Offenders { count, first } = offenders;
        Self { invariant, promise: promise.to_owned(), checked, found: count, allowed: 0, first }
    }

    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.found <= self.allowed
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    pub submitted: u64,
    pub acknowledged: u64,
    pub refused: u64,
    pub in_doubt: u64,
    pub receipts: u64,
    /// Receipts the carriers sent again because a connection was lost or a refusal was for the moment.
    pub receipts_offered_again: u64,
    pub rows: Vec<Row>,
}

impl Verdict {
    /// Whether every promise was kept; where nothing was acknowledged, none was tried.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.acknowledged > 0 && self.rows.iter().all(Row::is_kept)
    }

    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::default();
        table.row("submitted", self.submitted);
        table.row("acknowledged", self.acknowledged);
        table.row("refused", self.refused);
        table.row("in doubt", self.in_doubt);
        table.row("receipts", self.receipts);
        table.row_unless_zero("receipts offered again", self.receipts_offered_again);
        for row in &self.rows {
            let verdict = if row.is_kept() { "kept  " } else { "BROKEN" };
            let allowed = if row.allowed > 0 { format!(", {} allowed", row.allowed) } else { String::new() };
            let name = format!("{} {}", row.invariant, row.promise);
            table.row(&name, format!("{verdict} {} of {}{allowed}", row.found, row.checked));
            let named = if row.is_kept() { &[] } else { &row.first[..] };
            for offender in named {
                table.row("", offender);
            }
        }
        table
    }
}
