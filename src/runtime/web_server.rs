//! HTTP from customers, on the shard a connection was dealt to: hyper reads and writes, `http` says what a request means, and its
//! account's home does it.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::{FutureExt, future};
use glommio::timer::Timer;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use crate::config::AccountId;
use crate::http::{self, Claim, Composing, Credentials, Step};
use crate::runtime::hyper_io::HyperIo;
use crate::runtime::mesh::Accepted;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::transport::Transport;
use crate::runtime::{clock, socket, sys};

const MAX_HEAD: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
const MAX_BODY: usize = 1 << 20;
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(60);

impl ShardLoop {
    /// Serves a connection that was dealt to this shard.
    pub(super) fn serve_web(self: &Rc<Self>, accepted: Accepted) {
        let shard = Rc::clone(self);
        let serving = async move {
            let served = AssertUnwindSafe(serve(&shard, accepted)).catch_unwind().await;
            if served.is_err() {
                shard.count_panic();
            }
        };
        glommio::spawn_local(serving).detach();
    }
}

async fn serve(shard: &Rc<ShardLoop>, accepted: Accepted) {
    let Accepted { socket, address, .. } = accepted;
    let opened = sys::stream_from(socket).and_then(|stream| socket::tune(&stream).map(|()| stream));
    let Ok(stream) = opened else { return };
    let last = Cell::new(clock::monotonic_ns());
    let last_too = &last;
    let service = service_fn(|request: Request<Incoming>| async move {
        let response = answer(shard, request, address).await;
        last_too.set(clock::monotonic_ns());
        Ok::<_, Infallible>(response.map(Full::new))
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(HyperIo::new(Transport::new(stream, None)), service);
    let idle = async {
        while Duration::from_nanos(clock::monotonic_ns() - last.get()) < IDLE {
            Timer::new(IDLE).await;
        }
    };
    future::or(async { drop(connection.await) }, idle).await;
}

async fn answer(shard: &Rc<ShardLoop>, request: Request<Incoming>, _from: IpAddr) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return http::too_large();
    };
    let request = Request::from_parts(head, body.to_bytes());
    let account = match http::claim(&request) {
        Claim::Refused(refusal) => return refusal,
        Claim::Nobody => None,
        Claim::Of(credentials) => match account_of(shard, &credentials) {
            Some(account) => Some(account),
            None => return http::unauthorized(&request),
        },
    };
    let config = &shard.shared.config;
    let of_account = account.map(|account| config.account(account));
    let unix_seconds = clock::since_unix_epoch().as_secs() as u32;
    let composing = Composing { config, account: of_account, unix_seconds, references: &shard.references };
    match http::take(&request, &composing) {
        Step::Answer(response) => response,
        Step::Ask(asked, waiting) => {
            let Some(account) = account else { return http::unauthorized(&request) };
            let reply = shard.ask_account(account, asked).await;
            waiting.answer(reply, config.account(account))
        }
    }
}

/// Whose the credentials are.
fn account_of(shard: &ShardLoop, credentials: &Credentials) -> Option<AccountId> {
    let accounts = &shard.shared.config.accounts;
    let is_of = |account: &crate::config::Account| match credentials {
        Credentials::Password { account: name, password } => account.name.as_bytes() == name
            && account.passwords.iter().any(
                |known| matches!(known, crate::config::Password::Plain(plain) if plain.expose() == password.expose()),
            ),
        Credentials::Token(digest) => account.tokens.contains(digest),
    };
    accounts.iter().position(is_of).map(|at| AccountId(at as u32))
}
