//! What one thread of the load counted.

use crate::tools::report::{Latencies, StatusCounts};

#[derive(Default)]
pub(super) struct Tally {
    pub(super) refused: StatusCounts,
    pub(super) answers: Latencies,
    pub(super) receipts: Latencies,
    pub(super) late_answers: u64,
    pub(super) repeated_ids: u64,
    pub(super) duplicates: u64,
    pub(super) misrouted: u64,
    pub(super) unreadable: u64,
    pub(super) intermediate: u64,
    pub(super) before_answer: u64,
    pub(super) mo: u64,
    pub(super) disconnects: u64,
    /// Unanswered when their connection was lost.
    pub(super) in_doubt: u64,
    pub(super) protocol_errors: u64,
    pub(super) cpu_ns: u64,
}

impl Tally {
    pub(super) fn merge(&mut self, other: &Self) {
        self.refused.merge(&other.refused);
        self.answers.merge(&other.answers);
        self.receipts.merge(&other.receipts);
        self.late_answers += other.late_answers;
        self.repeated_ids += other.repeated_ids;
        self.duplicates += other.duplicates;
        self.misrouted += other.misrouted;
        self.unreadable += other.unreadable;
        self.intermediate += other.intermediate;
        self.before_answer += other.before_answer;
        self.mo += other.mo;
        self.disconnects += other.disconnects;
        self.in_doubt += other.in_doubt;
        self.protocol_errors += other.protocol_errors;
        self.cpu_ns += other.cpu_ns;
    }
}
