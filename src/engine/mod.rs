//! The engine: everything that is decided, and nothing that is done. Pure: no socket, file, clock, runtime or lock.
//!
//! A shard is a function from an `Input` and the time to `Effects` (`shard`, `event`). It holds the accounts and carriers
//! whose home it is (`placement`); they speak to each other in `ShardMessage`s, on one shard or across two (`message`).

pub mod account;
mod admission;
mod alert;
mod answers;
pub mod backoff;
pub mod bans;
pub mod carrier;
mod congestion;
pub mod context;
pub mod correlation;
pub mod deliveries;
pub mod delivery;
mod dispatch;
pub mod early;
pub mod effects;
pub mod event;
pub mod gate;
pub mod holdings;
pub mod id_source;
pub mod link;
mod link_bind;
mod link_end;
pub mod loads;
pub mod message;
pub mod mo;
pub mod orders;
pub mod outbind;
pub mod outgoing;
pub mod pace;
pub mod part_links;
pub mod parts;
pub mod placement;
pub mod queue;
pub mod random;
pub mod reading;
pub mod receipts;
pub mod recent;
pub mod references;
pub mod relay;
pub mod replay;
pub mod restore;
pub mod rewrite;
pub mod router;
pub mod senders;
mod sending;
pub mod session;
pub mod shard;
pub mod slab;
#[cfg(test)]
mod state_table;
pub mod submit;
pub mod throttle;
pub mod time;
pub mod timers;
pub mod unbound;
pub mod unrouted;
pub mod validity;
pub mod wall;
pub mod window;
