//! The store: a journal per shard of what must outlive the process, as octets and decisions. Pure.
//!
//! Correlations, parked early receipts and deliveries are inserted once, removed once, and expire by age. So they are records
//! in an append-only journal of segments (files); what lives is held in memory, and found again by reading everything.
//!
//! # The format, version 1
//!
//! A segment's file is named `journal-sequence-id`; the id is random and new at each use of a file. It holds batches, one per
//! commit, each padded with zeros to a multiple of 512 octets. All fixed numbers are little-endian.
//!
//! | a batch | octets |
//! | --- | --- |
//! | `TKL`, version of this header | 4 |
//! | segment id | 8 |
//! | batch number, from 0 | 8 |
//! | length of the records | 4 |
//! | crc32c of the above and the records, seeded with the segment id | 4 |
//!
//! | record | type | then (n: LEB128; text and octets: length n, then they) |
//! | --- | --- | --- |
//! | begin | 1 | format n, journal n, sequence n, id 8, 0 or 1 and the previous segment's id 8, batches n, end n |
//! | account's, carrier's name | 2, 3 | index n, text |
//! | correlation, muted one | 4, 5 | carrier n, account n, our id 8, destination's hash 4, born n, carrier's id as octets |
//! | correlation gone | 6 | carrier n, our id 8 |
//! | early receipt | 7 | carrier n, key n, born n, before n, body as octets |
//! | early receipt gone | 8 | carrier n, key n |
//! | final receipt, intermediate one, MO | 9, 10, 11 | account n, key n, our id 8, born n, body as octets |
//! | what an account holds gone | 12 | account n, key n |
//! | unrouted MO | 14 | carrier n, key n, born n, body as octets |
//! | unrouted MO gone | 15 | carrier n, key n |
//! | stands for | 13 | the other segment's id 8, batches of this one n |
//! | stored submit, sent mark, usage, state, parts of a message | 17..21 | as 9: account n, key n, our id 8, born n, body as octets |
//! | message that came by HTTP, Idempotency-Key, event for a callback, part of a long MO | 23..26 | as 9 |
//! | correlation, readdressed | 16 | as 4, then both addresses as the customer sent them, as octets |
//! | messages and keys of HTTP, events, parts of MO | 23..26 | as 9 |
//! | line of the call detail records | 27 | sequence n, the last sequence in a file n, body as octets |
//! | correlation of one destination of several | 22 | as 16, then the id that its receipts show 8 |
//!
//! # The rules
//!
//! - Batch n+1 is not written before n is synced. So only the last batch may be *torn*: invalid, with none of its segment behind
//!   it. It was never acknowledged, and is passed over. An invalid batch before a whole one, or fewer batches than the next
//!   segment's first record says, is *damage*: named with its offset, and nothing is read past it. What a disk loses at the
//!   very end after syncing it looks like a torn tail; no reader can tell.
//! - After a start an old segment is never appended to.
//! - Segments are released *strictly oldest first*: a removal lies in the segment of what it removes or a later one, so it is
//!   forgotten with it or after it, and nothing removed comes back. One entry that lives for days would hold the whole journal;
//!   so when the journal is larger than twice what lives, and two segments more, the live entries of the oldest segment are
//!   *appended again*, under the same keys, and it goes once that commit is durable.
//! - No key is ever used twice: a removal wins wherever it is read. An entry leaves a journal for another only with all the old
//!   segments it lies in; a removal record in the old one would remove it from both.
//! - A *repaired* segment has a second record that names the one it stands for, in whose place of the journal it is: it has all
//!   that was whole there, its removals come no earlier and go no later than theirs did, and what the later ones say of the lost
//!   one's end no longer counts. So the rest of the journal stays readable.
//!
//! # Who does what
//!
//! The engine's records become [`Entry`](record::Entry)s with names; a [`Journal`](journal::Journal) puts them into
//! [batches](batch) and tells the disk in [`StoreEffect`](journal::StoreEffect)s, which `runtime/disk.rs` does, in order.
//! At a start `runtime/store_files.rs` reads the files, the newest first, on several threads. Each is
//! [read and checked](segment), [sorted] by parts of all keys, and each part [merged](recovery) into
//! [`Recovered`](recovered::Recovered), for the engine's tables and for `store inspect`. What is whole in a damaged segment is
//! [saved](salvage) by `store repair`.

pub mod batch;
pub mod cdr_lines;
pub mod foreign;
pub mod homes;
pub mod journal;
pub mod names;
pub mod record;
pub mod recovered;
pub mod recovery;
pub mod rewriting;
pub mod salvage;
pub mod segment;
pub mod shard_store;
pub mod sorted;
