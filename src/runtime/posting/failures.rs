//! Calls that failed, told in the log without filling it.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::AccountId;

/// An account's failures are told this often at most; a receiver that is down fails every few milliseconds.
const PAUSE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Failures(HashMap<AccountId, Told>);

struct Told {
    at_ns: u64,
    untold: u64,
}

impl Failures {
    /// Whether one more is to be told, and how many were not since the last that was.
    pub(super) fn tell(&mut self, account: AccountId, now_ns: u64) -> Option<u64> {
        let Some(told) = self.0.get_mut(&account) else {
            self.0.insert(account, Told { at_ns: now_ns, untold: 0 });
            return Some(0);
        };
        if Duration::from_nanos(now_ns - told.at_ns) < PAUSE {
            told.untold += 1;
            return None;
        }
        told.at_ns = now_ns;
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_now_and_then_and_all_are_counted() {
        let mut failures = Failures::default();
        let second = |at: u64| at * 1_000_000_000;
        assert_eq!(failures.tell(AccountId(0), second(100)), Some(0));
        assert_eq!(failures.tell(AccountId(1), second(101)), Some(0), "another's are told on their own");
        for at in 101..130 {
            assert_eq!(failures.tell(AccountId(0), second(at)), None);
        }
        assert_eq!(failures.tell(AccountId(0), second(130)), Some(29));
        assert_eq!(failures.tell(AccountId(0), second(131)), None);
        assert_eq!(failures.tell(AccountId(0), second(200)), Some(1));
    }
}
