//! Telling customers' callbacks: one call each, over within five seconds, whatever the receiver does. Where it may go is decided
//! by the addresses its host has now (`http::destination`), and it goes to one of those; it follows no redirect, for that would be
//! a URL nobody judged.

mod failures;
mod line;

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{FutureExt, future};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};

use crate::config::AccountId;
use crate::engine::event::Input;
use crate::engine::web::{Post, Posted};
use crate::http::destination::{self, Destination};
use crate::http::webhook::{self, Outgoing};
use crate::runtime::resolve::Resolver;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::transport::Transport;
use crate::runtime::{clock, socket};

use failures::Failures;
use line::{Line, Lines, Place};

/// From the first look at the name to the end of the answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Names looked up at once, each by a thread that a name server may hold for longer than a call lasts.
const MOST_LOOKUPS: usize = 64;

/// The calls of one shard.
pub struct Posting {
    resolver: Resolver,
    /// Connections kept for the next call.
    lines: RefCell<Lines>,
    failures: RefCell<Failures>,
}

impl Default for Posting {
    fn default() -> Self {
        let resolver = Resolver::default().at_most(MOST_LOOKUPS);
        Self { resolver, lines: RefCell::default(), failures: RefCell::default() }
    }
}

impl Posting {
    /// Closes connections that no call came for.
    pub fn close_idle(&self) {
        self.lines.borrow_mut().close_idle(clock::monotonic_ns());
    }
}

impl ShardLoop {
    /// One try; the engine is told what came of it, once.
    pub(super) fn post(self: &Rc<Self>, post: Post) {
        let shard = Rc::clone(self);
        let calling = async move {
            let called = AssertUnwindSafe(call(&shard, &post)).catch_unwind().await;
            let outcome = called.unwrap_or_else(|_| {
                shard.count_panic();
                Posted::Failed
            });
            shard.handle(Input::Posted { account: post.account, post: post.post, outcome });
        };
        glommio::spawn_local(calling).detach();
    }
}

async fn call(shard: &ShardLoop, post: &Post) -> Posted {
    let (host, asked) = match outgoing(shard, post) {
        Ok((to, outgoing)) => {
            let asked = ask(shard, post.account, &to, &outgoing).await;
            (to.host, asked.map_err(|error| error.to_string()))
        }
        Err(why) => (String::new(), Err(why.to_owned())),
    };
    let (outcome, why) = match asked {
        Ok(status) if status.is_success() => return Posted::Taken,
        Ok(status) => (Posted::Refused, format!("it answered {status}")),
        Err(why) => (Posted::Failed, why),
    };
    if let Some(untold) = shard.posting.failures.borrow_mut().tell(post.account, clock::monotonic_ns()) {
        let account = &shard.shared.config.account(post.account).name;
        tracing::warn!(account, host, why, untold, "callback failed");
    }
    outcome
}

fn outgoing(shard: &ShardLoop, post: &Post) -> Result<(Destination, Outgoing), &'static str> {
    let account = shard.shared.config.account(post.account);
    let outgoing = webhook::compose(post, account, clock::since_unix_epoch().as_secs())
        .ok_or("the account has no callback any more")?;
    Destination::read(&outgoing.url, account.calls.allow_http).map(|to| (to, outgoing))
}

/// What it answered.
async fn ask(shard: &ShardLoop, account: AccountId, to: &Destination, outgoing: &Outgoing) -> io::Result<StatusCode> {
    let started = clock::monotonic_ns();
    let place = Place::of(account, to);
    let answered = future::or(reach(shard, &place, to, outgoing), socket::give_up(CALL_TIMEOUT)).await;
    let (mut line, response) = answered?;
    let status = response.status();
    let left = CALL_TIMEOUT.saturating_sub(Duration::from_nanos(clock::monotonic_ns() - started));
    let is_whole = future::or(line.read_rest(response.into_body()), async {
        let _: io::Result<()> = socket::give_up(left).await;
        false
    });
    if is_whole.await {
        shard.posting.lines.borrow_mut().keep(place, line, clock::monotonic_ns());
    }
    Ok(status)
}

/// Sends it, by a connection that is open already or by a new one, up to the answer's head.
async fn reach(
    shard: &ShardLoop,
    place: &Place,
    to: &Destination,
    outgoing: &Outgoing,
) -> io::Result<(Line, Response<Incoming>)> {
    let kept = shard.posting.lines.borrow_mut().take(place, clock::monotonic_ns());
    if let Some(mut line) = kept {
        // One that fails was closed by the receiver meanwhile, most likely, and says nothing of how it is now.
        if let Ok(response) = line.send(request(to, outgoing)?).await {
            return Ok((line, response));
        }
    }
    let mut line = Line::open(connect(shard, place.account, to).await?).await?;
    let response = line.send(request(to, outgoing)?).await?;
    Ok((line, response))
}

fn request(to: &Destination, outgoing: &Outgoing) -> io::Result<Request<Full<bytes::Bytes>>> {
    let mut request =
        Request::builder().method(outgoing.method.clone()).uri(&to.path_and_query).header(HOST, &to.authority);
    for (name, value) in &outgoing.headers {
        request = request.header(*name, value);
    }
    request.body(Full::new(outgoing.body.clone())).map_err(io::Error::other)
}

/// Connects to one of the host's addresses, of those where this account's calls may go.
async fn connect(shard: &ShardLoop, account: AccountId, to: &Destination) -> io::Result<Transport> {
    let deadline = clock::monotonic_ns() + CALL_TIMEOUT.as_nanos() as u64;
    let allow_private = shard.shared.config.account(account).calls.allow_private;
    let target = to.target();
    let mut addresses = shard.posting.resolver.addresses(&target).await?;
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    addresses.retain(|address| {
        let judged = destination::judge(*address, allow_private, &shard.shared.listens, is_of_this_host);
        judged.map_err(|why| refused = io::Error::other(format!("{} {why}", address.ip()))).is_ok()
    });
    let tcp = socket::connect_in_turn(&addresses, None, deadline).await.unwrap_or(Err(refused))?;
    if !to.is_tls {
        return Ok(Transport::new(tcp, None));
    }
    let tls = shard.shared.callback_tls.get(account.index()).and_then(Option::as_ref);
    tls.ok_or_else(|| io::Error::other("this system has no certificates to trust"))?.handshake(&target, tcp).await
}

/// Whether something here may listen at it.
fn is_of_this_host(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}
