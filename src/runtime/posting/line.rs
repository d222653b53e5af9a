//! Connections to receivers. One that answered properly is kept for a few seconds, for the next call of the same account to the
//! same place: a busy receiver is spared a handshake for each event.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};

use crate::config::AccountId;
use crate::http::destination::Destination;
use crate::runtime::clock;
use crate::runtime::hyper_io::HyperIo;
use crate::runtime::transport::Transport;

const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// Of an answer's body; what is longer is not read to its end.
const MAX_BODY: usize = 4 << 10;
/// Many receivers close a connection that was silent for five seconds.
const IDLE: Duration = Duration::from_secs(4);
/// A host's addresses are looked up, and judged, again after this at the latest.
const LIFETIME: Duration = Duration::from_secs(60);
const MOST_KEPT: usize = 64;

type Connection = http1::Connection<HyperIo, Full<Bytes>>;

pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it is over.
    connection: Option<Connection>,
    opened_ns: u64,
}

impl Line {
    pub(super) async fn open(transport: Transport) -> io::Result<Self> {
        let opened =
            http1::Builder::new().max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS).handshake(HyperIo::new(transport));
        let (sender, connection) = opened.await.map_err(io::Error::other)?;
        Ok(Self { sender, connection: Some(connection), opened_ns: clock::monotonic_ns() })
    }

    /// Up to the answer's head.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> io::Result<Response<Incoming>> {
        let Self { sender, connection, .. } = self;
        let sending = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        drive(connection, sending).await.map_err(io::Error::other)
    }

    /// Whether the answer ended properly, so that another may follow.
    pub(super) async fn read_rest(&mut self, mut body: Incoming) -> bool {
        let reading = async {
            let mut octets = 0;
            while let Some(frame) = body.frame().await {
                octets += frame.as_ref().ok().and_then(|frame| frame.data_ref()).map_or(0, Bytes::len);
                if frame.is_err() || octets > MAX_BODY {
                    return false;
                }
            }
            true
        };
        drive(&mut self.connection, reading).await && self.connection.is_some()
    }
}

/// Waits for what a connection does for one who uses it, while it does it.
async fn drive<T>(connection: &mut Option<Connection>, used: impl Future<Output = T>) -> T {
    let working = async {
        if let Some(open) = connection {
            // What went wrong is told to who uses it.
            let _ = open.await;
            *connection = None;
        }
        future::pending().await
    };
    future::or(used, working).await
}

/// Whom a connection is for, and where it leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) account: AccountId,
    is_tls: bool,
    host: String,
    port: u16,
}

impl Place {
    pub(super) fn of(account: AccountId, to: &Destination) -> Self {
        Self { account, is_tls: to.is_tls, host: to.host.to_ascii_lowercase(), port: to.port }
    }
}

/// Those that are kept, the one that was used last behind.
#[derive(Default)]
pub(super) struct Lines(Vec<Kept>);

struct Kept {
    place: Place,
    line: Line,
    since_ns: u64,
}

impl Lines {
    pub(super) fn keep(&mut self, place: Place, line: Line, now_ns: u64) {
        if self.0.len() >= MOST_KEPT {
            self.0.remove(0);
        }
        self.0.push(Kept { place, line, since_ns: now_ns });
    }

    pub(super) fn take(&mut self, place: &Place, now_ns: u64) -> Option<Line> {
        self.close_idle(now_ns);
        let at = self.0.iter().rposition(|kept| kept.place == *place)?;
        Some(self.0.remove(at).line)
    }

    pub(super) fn close_idle(&mut self, now_ns: u64) {
        let is_within = |since: u64, longest: Duration| Duration::from_nanos(now_ns - since) < longest;
        self.0.retain(|kept| is_within(kept.since_ns, IDLE) && is_within(kept.line.opened_ns, LIFETIME));
    }
}
