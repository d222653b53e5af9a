//! Any sequence of operations on sessions and links: after each of them the books balance. `tests/malformed/operations.rs` says how.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/malformed/books.rs"]
mod books;
#[path = "../../benches/common/memory_store.rs"]
mod memory_store;
#[path = "../../tests/malformed/messages.rs"]
mod messages;
#[path = "../../tests/malformed/operations.rs"]
mod operations;
#[path = "../../tests/malformed/stage.rs"]
mod stage;

fuzz_target!(|octets: &[u8]| {
    let sum = operations::run(octets);
    assert!(sum.accepted <= sum.submits && sum.receipts <= sum.submits && sum.links >= 1, "{sum:?}");
});
