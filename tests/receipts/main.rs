//! Receipts as carriers send them: each is read as intended, its rewrite changes the ids alone, and nothing made of them panics.

#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read ends the test")]

mod corpus;
mod mutations;
