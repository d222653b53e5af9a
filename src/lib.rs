//! Trunkline relays SMPP between customers' systems (ESMEs) and carriers (SMSCs), and brings every delivery receipt back to
//! the account that sent the message.
//!
//! # The picture
//!
//! A shard is a function: an [`Input`](engine::event::Input) and the time go in, [`Effects`](engine::effects::Effects) come
//! out. That function is the [`engine`]; it decides everything and knows no socket, file, clock or runtime. The [`runtime`]
//! is the shell around it: it turns bytes and timers into inputs, and effects into writes, on one core with io_uring.
//!
//! ```text
//!  ESME ==SMPP==> runtime --Input--> engine --Effect--> runtime ==SMPP==> carrier
//!                  (I/O)             (pure)              (I/O)
//!                                     |  ^
//!                                     v  |  ShardMessage: typed, bounded, never blocking
//!                                   engine of another core
//! ```
//!
//! Everything has one home. An account's sessions, rate, window and deliveries live on one shard, a carrier's links, rate,
//! queue and correlations on one shard, the same or another ([`Placement`](engine::placement::Placement)). So no lock is
//! taken and every limit is exact. Account and carrier speak in [`ShardMessage`](engine::message::ShardMessage)s, even
//! where both are at home on one shard; then the message is looped back in memory.
//!
//! # One message, out and back
//!
//! Seven steps, in the order a message takes them, each with its file.
//!
//! 1. `runtime/connection.rs`. [`Connection`](runtime::connection::Connection) reads once, cuts every whole PDU out of what
//!    came, and hands each to its shard's engine. It writes nothing: when all connections that were ready have been read,
//!    the turn of the [`ShardLoop`](runtime::shard_loop::ShardLoop) sends what the engine wants said to other shards, and
//!    writes each connection once.
//! 2. `engine/submit.rs`. The shard finds the session's account, and
//!    [`Account::handle_frame`](engine::account::Account::handle_frame) takes the PDU. `engine/admission.rs` checks a submit (bind
//!    mode, `policy`, route, `limits`) and gives it our message_id; in `engine/relay.rs` it waits for its answer. A refusal is answered at once.
//! 3. `engine/router.rs`. [`RouteTable::choose`](engine::router::RouteTable::choose) finds the first route that matches, and
//!    with it the carriers to try, in order. The submit leaves for the first one's home.
//! 4. `engine/sending.rs`. [`Carrier::submit`](engine::carrier::Carrier::submit) sends it on a link with room when the
//!    carrier's rate allows: a new header with a sequence_number of ours, then the body's own octets. Else it waits in the
//!    queue; and when the queue cannot send it in time it goes back to the account, which tries the next carrier.
//! 5. `engine/answers.rs`. The carrier's submit_sm_resp frees the window; what its status means is in the carrier's profile. When a receipt was asked for, (carrier, its id) to
//!    (account, our id) goes into [`Correlations`](engine::correlation::Correlations) and a record is emitted; the outcome
//!    waits for that record. Then [`Account::submit_done`](engine::account::Account::submit_done) writes the ESME's answer.
//! 6. `engine/receipts.rs`. Perhaps days later [`Carrier::handle_deliver`](engine::carrier::Carrier::handle_deliver) reads
//!    the receipt, finds the entry, writes our id where the carrier's stood, and hands it to the account's home. The carrier
//!    is acknowledged once the account has it, and never before.
//! 7. `engine/delivery.rs`. [`Account::deliver`](engine::account::Account::deliver) keeps the receipt, sends it on a bound
//!    session with room, and forgets it when the ESME has acknowledged it.
//!
//! With `accept: store` the way parts after the second step: `engine/stored.rs` keeps the message and answers, and offers it to its
//! carriers' homes as they have room; `engine/marked.rs` has it marked as sent, durably, before its first octet leaves. What an account holds
//! durably besides deliveries lies in `engine/holdings.rs`: stored messages, states (`states`), parts whose receipts are joined (`joined`), quotas (`usage`).
//!
//! What does not happen to every message lies beside that path: binds in `engine/unbound.rs`, links that come and go in
//! `engine/link.rs`, `link_bind.rs` and `link_end.rs`, what an operator orders them in `engine/orders.rs`, receipts that outrun their
//! answer in `engine/early.rs`, MO in `engine/mo.rs`, alerts in `engine/alert.rs`, calls to ESMEs that are not there in
//! `engine/outbind.rs`. What waits at a carrier is in `engine/queue.rs`, how fast it may leave in `engine/pace.rs`; parts of long
//! messages are kept together by `engine/parts.rs` and `part_links.rs`, and what a carrier's profile rewrites is in
//! `engine/outgoing.rs`. What a session of which version may be told is in `smpp/version.rs`.
//!
//! With `cdr`, what is billed is written down where it happens (`engine/cdr`), as a record of the journal first; `runtime/cdr_files.rs`
//! writes the files. Another configuration comes to the shards by `engine/reload.rs`, and to links by `renewal.rs`; `runtime/reload.rs` reads it.
//!
//! What an operator sees is taken when it is asked for: how everything stands in `engine/snapshot.rs`, what is known of one message in
//! `engine/history.rs`, one account followed in `engine/trace.rs`. What he orders an account is in `engine/account_orders.rs`. The admin
//! listener (`runtime/admin.rs`) asks the shards by their mailboxes, and `cli/ctl.rs` asks it.
//!
//! HTTP comes another way and joins at the second step. `runtime/web_server.rs` reads a request on the shard its connection was dealt to,
//! [`http`] says what it means, and its account's home takes it (`engine/web`): each segment of a message is a submit like any other, and
//! the request is replied to once all are settled. What customers' callbacks are told is kept and offered there too (`engine/web/posts.rs`),
//! and called by `runtime/posting.rs`.
//!
//! # What outlives the process
//!
//! The engine appends a [`Record`](engine::event::Record) for each thing it must not forget, and puts the message that promises
//! it behind that record ([`Effects::after_records`](engine::effects::Effects::after_records)). At the end of a turn the
//! [`ShardStore`](store::shard_store::ShardStore) makes one batch of them, in a [journal](store) of segments per shard; the
//! [`Disk`](runtime::disk::Disk) writes and syncs it; then the messages go. A start reads all journals, gives every entry to its
//! present home ([`Homes`](store::homes::Homes)), and only then serves ([`opening`](runtime::opening)).
//!
//! # The layers
//!
//! Imports go only downward: [`cli`] and [`tools`], then [`runtime`], [`http`], [`store`], [`engine`], [`config`], [`smpp`];
//! [`metrics`] is a leaf. `tests/tidy.rs` holds the order. The tools share [`smpp`] with the gateway and nothing of the engine, so that a
//! shared misreading cannot pass its own tests.

pub mod cli;
pub mod config;
pub mod engine;
pub mod http;
pub mod metrics;
pub mod runtime;
pub mod smpp;
pub mod store;
pub mod tools;
