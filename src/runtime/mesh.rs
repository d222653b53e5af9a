//! The channels between shards: one each way for each pair, bounded, written without waiting.
//!
//! What a full channel does not take waits here, in order, and is offered again each turn; it is bounded because every
//! message in it holds a place in some window. Batches are used again by whoever received them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use bytes::BytesMut;
use glommio::channels::shared_channel::{self, ConnectedReceiver, ConnectedSender, SharedReceiver, SharedSender};
use glommio::{GlommioError, ResourceType};

use crate::config::AccountId;
use crate::engine::event::AdmittedBind;
use crate::engine::message::{Batch, ShardId};
use crate::engine::slab::Key;
use crate::engine::web::{Caller, Reply, Request};
use crate::runtime::transport::Tls;

/// Batches that may lie in one channel.
const CAPACITY: usize = 1024;
/// Emptied batches kept for the next turns.
const SPARE: usize = 64;

/// What shards' shells hand each other.
#[derive(Debug)]
pub enum MeshMessage {
    /// What one engine says to another.
    Batch(Batch),
    /// A connection that shard 0 accepted and dealt to this shard.
    Accepted(Accepted),
    /// A connection whose bind was checked, on its way to its account's home.
    Bound(Box<MovedConnection>),
    /// What an HTTP request asks of an account at home there. Bounded by the connections, each of which asks one thing at a time.
    Asked(Box<Asked>),
    /// What one was told, to the shard its connection was dealt to.
    Replied(Box<(Key, Reply)>),
}

/// A connection that was counted in: its socket, whom it comes from, and whether it is to agree on TLS first.
#[derive(Debug)]
pub struct Accepted {
    pub socket: OwnedFd,
    pub address: IpAddr,
    pub is_tls: bool,
    pub speaks: Speaks,
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaks {
    Smpp,
    Http,
}

#[derive(Debug)]
pub struct Asked {
    pub account: AccountId,
    pub caller: Caller,
    pub request: Request,
}

/// A connection between two shards: its socket and TLS, what was read and not handled, what was not yet written.
#[derive(Debug)]
pub struct MovedConnection {
    pub socket: OwnedFd,
    pub tls: Option<Box<Tls>>,
    pub unread: BytesMut,
    pub unwritten: BytesMut,
    pub bind: AdmittedBind,
}

/// One shard's ends before its executor runs.
pub struct Ends {
    senders: Vec<Option<SharedSender<MeshMessage>>>,
    receivers: Vec<Option<SharedReceiver<MeshMessage>>>,
}

/// The ends of every shard, in order.
#[must_use]
pub fn ends(shards: usize) -> Vec<Ends> {
    let mut all: Vec<Ends> = (0..shards).map(|_| Ends { senders: none(shards), receivers: none(shards) }).collect();
    for from in 0..shards {
        for to in (0..shards).filter(|to| *to != from) {
            let (sender, receiver) = shared_channel::new_bounded(CAPACITY);
            all[from].senders[to] = Some(sender);
            all[to].receivers[from] = Some(receiver);
        }
    }
    all
}

fn none<T>(count: usize) -> Vec<Option<T>> {
    (0..count).map(|_| None).collect()
}

/// One shard's sending ends.
pub struct Mesh {
    peers: Vec<Option<Peer>>,
    spare: RefCell<Vec<Batch>>,
}

struct Peer {
    sender: ConnectedSender<MeshMessage>,
    backlog: RefCell<VecDeque<MeshMessage>>,
}

impl Ends {
    /// Meets the other shards. Each end waits for its opposite, so all of them are met at once rather than in turn.
    pub async fn connect(self) -> (Mesh, Vec<(ShardId, ConnectedReceiver<MeshMessage>)>) {
        let connecting: Vec<_> = self
            .senders
            .into_iter()
            .map(|sender| sender.map(|sender| glommio::spawn_local(sender.connect())))
            .collect();
        let receiving: Vec<_> = self
            .receivers
            .into_iter()
            .enumerate()
            .filter_map(|(from, receiver)| Some((ShardId(from as u16), glommio::spawn_local(receiver?.connect()))))
            .collect();
        let mut peers = Vec::new();
        for task in connecting {
            peers.push(match task {
                Some(task) => Some(Peer { sender: task.await, backlog: RefCell::default() }),
                None => None,
            });
        }
        let mut receivers = Vec::new();
        for (from, task) in receiving {
            receivers.push((from, task.await));
        }
        (Mesh { peers, spare: RefCell::default() }, receivers)
    }
}

impl Mesh {
    /// Sends what a turn said to the other shards; `prompt` is empty afterwards but for `own`'s.
    pub fn send_batches(&self, own: ShardId, prompt: &mut [Batch]) {
        for (to, batch) in prompt.iter_mut().enumerate() {
            if to == own.index() || batch.is_empty() {
                continue;
            }
            let empty = self.spare.borrow_mut().pop().unwrap_or_default();
            self.send(to, MeshMessage::Batch(std::mem::replace(batch, empty)));
        }
        self.offer_again();
    }

    pub fn send(&self, to: usize, message: MeshMessage) {
        let Some(peer) = self.peers.get(to).and_then(Option::as_ref) else { return };
        let mut backlog = peer.backlog.borrow_mut();
        if !backlog.is_empty() {
            backlog.push_back(message);
        } else if let Err(full) = peer.sender.try_send(message)
            && let Some(message) = refused(full)
        {
            backlog.push_back(message);
        }
    }

    /// Takes back an emptied batch.
    pub fn recycle(&self, mut batch: Batch) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            batch.clear();
            spare.push(batch);
        }
    }

    /// Offers what full channels did not take.
    pub fn offer_again(&self) {
        for peer in self.peers.iter().flatten() {
            let mut backlog = peer.backlog.borrow_mut();
            while let Some(message) = backlog.pop_front() {
                if let Err(full) = peer.sender.try_send(message) {
                    if let Some(message) = refused(full) {
                        backlog.push_front(message);
                    }
                    break;
                }
            }
        }
    }
}

/// What a full channel gave back. A closed one belongs to a shard that is gone, and the process with it.
fn refused(error: GlommioError<MeshMessage>) -> Option<MeshMessage> {
    if let GlommioError::Closed(ResourceType::Channel(message))
    | GlommioError::WouldBlock(ResourceType::Channel(message)) = error
    {
        return Some(message);
    }
    None
}
