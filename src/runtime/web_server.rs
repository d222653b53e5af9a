//! HTTP from customers, on the shard a connection was dealt to: hyper reads and writes, `http` says what a request means, and its
//! account's home does it.
//!
//! A panic in a connection's own work ends it alone; one inside the engine ends the process. How long it is waited for is in
//! `web_watch`, what hyper gets to see of it in `web_io`.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

use crate::config::AccountId;
use crate::engine::slab::Key;
use crate::http::{self, Claim, Composing, Refusal, Step, closing};
use crate::metrics::WebRefusal;
use crate::runtime::mesh::Accepted;
use crate::runtime::shard_loop::ShardLoop;
use crate::runtime::tls_listener::{self, TlsServer};
use crate::runtime::transport::Transport;
use crate::runtime::web_accounts::{Denied, WebPeer};
use crate::runtime::web_io::WebIo;
use crate::runtime::web_watch::{BodyRoom, Waits, Watch};
use crate::runtime::{clock, socket, sys};

const MAX_BODY: usize = 1 << 20;
/// What hyper reads ahead, and writes at once. A whole head fits with room to spare.
const BUFFER: usize = 16 << 10;

impl ShardLoop {
    /// Serves a connection that was dealt to this shard.
    pub(super) fn serve_web(self: &Rc<Self>, accepted: Accepted) {
        let shard = Rc::clone(self);
        let serving = async move {
            let mut serving = pin!(serve(&shard, accepted));
            poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx))) {
                Ok(polled) => polled,
                Err(panic) if shard.is_in_engine() => resume_unwind(panic),
                Err(_) => {
                    shard.count_panic();
                    Poll::Ready(())
                }
            })
            .await;
        };
        glommio::spawn_local(serving).detach();
    }

    /// What a drain waits for: the last responses are with the kernel.
    pub(super) fn go_on_draining_web(&self) {
        if self.web.take_drained() {
            self.shared.control.sessions_drained();
        }
    }

    pub(super) fn count_response(&self, status: StatusCode) {
        self.engine.borrow_mut().shard.counts.count_response(status.as_u16());
    }

    pub(super) fn count_refusal(&self, refusal: Refusal) {
        if let Some(why) = refusal.why() {
            self.count_web_refused(why);
        }
    }

    fn count_web_refused(&self, why: WebRefusal) {
        self.engine.borrow_mut().shard.counts.count_web_refused(why);
    }
}

/// A connection as long as it is open: watched, and counted out at its end.
struct Open<'a> {
    shard: &'a ShardLoop,
    key: Key,
    watch: Rc<Watch>,
    address: IpAddr,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // After a panic inside it the process ends.
        if self.shard.is_in_engine() {
            return;
        }
        self.shard.web.forget(self.key);
        if let Some(why) = self.watch.why_closed() {
            self.shard.count_web_refused(why);
        }
        self.shard.in_engine(|engine, _| engine.shard.web_ended(self.address, &mut engine.out));
    }
}

async fn serve(shard: &Rc<ShardLoop>, accepted: Accepted) {
    let Accepted { socket, address, is_tls, .. } = accepted;
    let (key, watch) = shard.web.open(is_tls);
    let open = Open { shard, key, watch, address };
    let watch = &*open.watch;
    let tls = match shard.shared.tls_web.as_ref().filter(|_| is_tls).map(TlsServer::begin).transpose() {
        Ok(tls) => tls,
        Err(error) => return tracing::error!(%error, "cannot begin TLS"),
    };
    // Else the peer is gone already.
    let opened = sys::stream_from(socket).and_then(|stream| socket::tune(&stream).map(|()| stream));
    let Ok(stream) = opened else { return };
    let mut transport = Transport::new(stream, tls);
    let mut names = None;
    if is_tls {
        let handshake = poll_fn(|cx| {
            if watch.poll_closed(cx) {
                Poll::Ready(false)
            } else {
                transport.poll_handshake(cx).map(|done| done.is_ok())
            }
        });
        if !handshake.await {
            shard.engine.borrow_mut().shard.counts.handshakes_failed += 1;
            return;
        }
        names = Some(transport.peer_certificate().map(tls_listener::names_of).unwrap_or_default());
        watch.wait_for(Waits::Idle, shard.web.now());
    }
    let peer = &WebPeer::new(address, names);
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(respond(shard, watch, peer, request).await.map(Full::new))
    });
    let io = WebIo::new(transport, Rc::clone(shard), Rc::clone(&open.watch));
    let mut http1 = http1::Builder::new();
    // Who sends all of his requests and then closes his side is answered; and so is what came before a fault.
    http1.half_close(true).max_buf_size(BUFFER);
    let mut connection = pin!(http1.serve_connection(io, service));
    poll_fn(|cx| {
        if watch.poll_closed(cx) {
            return Poll::Ready(());
        }
        if watch.take_drain() {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

async fn respond(shard: &Rc<ShardLoop>, watch: &Watch, peer: &WebPeer, request: Request<Incoming>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    watch.wait_for(Waits::Answer, shard.web.now());
    let answered = answer(shard, watch, peer, (Request::from_parts(head, Bytes::new()), body)).await;
    let mut response = answered.unwrap_or_else(|refusal| {
        shard.count_refusal(refusal);
        refusal.response()
    });
    shard.count_response(response.status());
    if shard.web.is_draining() {
        response = closing(response);
    }
    watch.answered(shard.web.now());
    response
}

/// Who says in the head who he is, is known before his body is read: what strangers send has little room.
async fn answer(
    shard: &Rc<ShardLoop>,
    watch: &Watch,
    peer: &WebPeer,
    (mut request, body): (Request<Bytes>, Incoming),
) -> Result<Response<Bytes>, Refusal> {
    let mut room;
    let account = if http::claims_in_body(&request) {
        room = BodyRoom::of(None, &shard.web);
        *request.body_mut() = collect(shard, watch, body, &mut room).await?;
        match who_asks(shard, peer, &request).await {
            Ok(account) => account,
            Err(response) => return Ok(response),
        }
    } else {
        let account = match who_asks(shard, peer, &request).await {
            Ok(account) => account,
            Err(response) if body.is_end_stream() => return Ok(response),
            Err(response) => return Ok(closing(response)),
        };
        room = BodyRoom::of(account, &shard.web);
        *request.body_mut() = collect(shard, watch, body, &mut room).await?;
        account
    };
    let config = &shard.shared.config;
    let of_account = account.map(|account| config.account(account));
    let unix_seconds = clock::since_unix_epoch().as_secs() as u32;
    let composing = Composing { config, account: of_account, unix_seconds, references: &shard.references };
    Ok(match http::take(&request, &composing) {
        Step::Answer(response) => response,
        Step::Ask(asked, waiting) => {
            let Some(account) = account else { return Ok(http::unauthorized(&request)) };
            let reply = shard.ask_account(account, asked).await;
            waiting.answer(reply, config.account(account))
        }
    })
}

/// The whole body, mostly as it came.
async fn collect(
    shard: &ShardLoop,
    watch: &Watch,
    mut body: Incoming,
    room: &mut BodyRoom<'_>,
) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    watch.wait_for(Waits::Body, shard.web.now());
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let data = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => data,
            // Trailers, which nobody asks for.
            Ok(Err(_)) => continue,
            Err(_) => return Err(watch.take_refusal().unwrap_or(Refusal::BODY_ENDED)),
        };
        if first.len() + all.len() + data.len() > MAX_BODY {
            return Err(Refusal::BodyTooLarge);
        }
        if !shard.web.room(data.len(), room) {
            return Err(Refusal::Busy);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    watch.wait_for(Waits::Answer, shard.web.now());
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// The account a request is from, `None` where nobody has to be known; or what it is answered.
async fn who_asks(
    shard: &Rc<ShardLoop>,
    peer: &WebPeer,
    request: &Request<Bytes>,
) -> Result<Option<AccountId>, Response<Bytes>> {
    let credentials = match http::claim(request) {
        Claim::Refused(refusal) => return Err(refusal),
        Claim::Nobody => return Ok(None),
        Claim::Of(credentials) => credentials,
    };
    let address = match &shard.shared.config.http {
        Some(http) => http::client(request.headers(), peer.address, http),
        None => peer.address,
    };
    shard.let_in(&credentials, peer, address).await.map(Some).map_err(|denied| match denied {
        // Who guesses is to come through the door again, where banned addresses are turned away.
        Denied::Unauthorized => closing(http::unauthorized(request)),
        Denied::Forbidden => Refusal::Forbidden.response(),
        Denied::Busy => Refusal::Busy.response(),
    })
}
