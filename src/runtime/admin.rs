//! The admin listener: `/livez`, `/readyz`, `/metrics`, the status page and the admin API, on an executor and a thread of its own, so that it
//! answers when a shard hangs.
//!
//! One request a connection: probes and scrapers gain nothing from keeping theirs, and the deadline stays one timer.

pub mod accounts;
pub mod answer;
pub mod carriers;
pub mod messages;
pub mod page;
pub mod path;
pub mod recent;
pub mod routing;
pub mod shards;
pub mod stages;
pub mod status;
pub mod trace;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::{FutureExt, future};
use glommio::net::TcpStream;
use glommio::timer::Timer;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use subtle::ConstantTimeEq;

use crate::metrics::Exporter;
use crate::runtime::clock;
use crate::runtime::health::{Health, Phase};
use crate::runtime::hyper_io::HyperIo;
use crate::runtime::reload::{Reloads, Unchanged};
use crate::runtime::transport::Transport;
use crate::runtime::wakeup::Wakeup;
use crate::runtime::{process, socket, sys};

use answer::{Answered, is_method, is_no_web_page, refusal, shown, shown_address, text};
use carriers::Carriers;
use page::Page;
use recent::Recent;
use shards::Shards;
use status::Started;

const MAX_CONNECTIONS: usize = 64;
const MAX_HEAD: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
const UPKEEP: Duration = Duration::from_secs(5);
/// Who connects sends his head at once; who has not by then makes room for others.
const SILENCE: Duration = Duration::from_millis(250);
/// An accept error, as a lack of descriptors, returns at once for ever: try again this much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What every request is answered from.
struct Admin {
    health: Arc<Health>,
    prometheus: Exporter,
    shards: Shards,
    carriers: Carriers,
    reloads: Reloads,
    started: Started,
    recent: Rc<RefCell<Recent>>,
    page: Page,
    head_deadline: Duration,
    connections: Cell<usize>,
    /// Connections of which no head is read yet, the oldest first, with when they came.
    silent: RefCell<VecDeque<(u64, Rc<Wakeup>)>>,
}

/// Serves on `listener` until the process ends.
pub fn start(
    listener: TcpListener,
    health: Arc<Health>,
    prometheus: Exporter,
    shards: Shards,
    reloads: Reloads,
) -> Result<ExecutorJoinHandle<()>, String> {
    start_with(listener, health, prometheus, shards, reloads, HEAD_DEADLINE)
}

fn start_with(
    listener: TcpListener,
    health: Arc<Health>,
    prometheus: Exporter,
    shards: Shards,
    reloads: Reloads,
    head_deadline: Duration,
) -> Result<ExecutorJoinHandle<()>, String> {
    let page = Page::new()?;
    LocalExecutorBuilder::new(Placement::Unbound)
        .name("admin")
        .io_memory(64 << 10)
        .spawn(move || async move {
            let upkeep = prometheus.clone();
            glommio::spawn_local(async move {
                loop {
                    Timer::new(UPKEEP).await;
                    upkeep.run_upkeep();
                }
            })
            .detach();
            let admin = Rc::new(Admin {
                health,
                prometheus,
                carriers: Carriers::new(shards.clone()),
                shards,
                reloads,
                started: Started(clock::since_unix_epoch().as_secs()),
                recent: Rc::default(),
                page,
                head_deadline,
                connections: Cell::new(0),
                silent: RefCell::default(),
            });
            glommio::spawn_local(recent::keep(Rc::clone(&admin.recent), admin.shards.clone())).detach();
            accept(listener, admin).await;
        })
        .map_err(|error| format!("admin: cannot start its thread: {error}"))
}

async fn accept(listener: TcpListener, admin: Rc<Admin>) {
    let listener = sys::listener_from(listener);
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(stream) if admin.connections.get() < MAX_CONNECTIONS || admin.end_silent() => {
                failing = false;
                admin.connections.set(admin.connections.get() + 1);
                let admin = Rc::clone(&admin);
                glommio::spawn_local(async move {
                    if AssertUnwindSafe(serve(stream, &admin)).catch_unwind().await.is_err() {
                        tracing::error!("admin: a request panicked");
                    }
                    admin.connections.set(admin.connections.get() - 1);
                })
                .detach();
            }
            Ok(too_many) => drop(too_many),
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "admin: cannot accept");
                }
                failing = true;
                Timer::new(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection: its head within five seconds, its answer taken within thirty. A peer's errors are its own affair.
async fn serve(stream: TcpStream, admin: &Admin) {
    if socket::tune(&stream).is_err() {
        return;
    }
    let (head_read, end) = (Cell::new(false), Rc::new(Wakeup::default()));
    admin.silent.borrow_mut().push_back((clock::monotonic_ns(), Rc::clone(&end)));
    let is_silent_no_more = || admin.silent.borrow_mut().retain(|(_, other)| !Rc::ptr_eq(other, &end));
    let from = stream.peer_addr().ok().map(|address| address.ip());
    let (head_read_too, no_more) = (&head_read, &is_silent_no_more);
    let service = service_fn(|request: Request<Incoming>| async move {
        head_read_too.set(true);
        no_more();
        Ok::<_, Infallible>(admin.answer(&request, from).await)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(HyperIo::new(Transport::new(stream, None)), service);
    let deadline = async {
        Timer::new(admin.head_deadline).await;
        if head_read.get() {
            Timer::new(ANSWER_DEADLINE).await;
        }
    };
    future::or(async { drop(connection.await) }, future::or(deadline, end.wait())).await;
    is_silent_no_more();
}

impl Admin {
    /// Ends the oldest connection that says nothing, so that a few of those do not keep the probes out.
    fn end_silent(&self) -> bool {
        let mut silent = self.silent.borrow_mut();
        let since = clock::monotonic_ns().saturating_sub(SILENCE.as_nanos() as u64);
        let is_old = silent.front().is_some_and(|(came, _)| *came <= since);
        let Some((_, end)) = is_old.then(|| silent.pop_front()).flatten() else { return false };
        end.wake();
        true
    }

    async fn answer(&self, request: &Request<Incoming>, from: Option<IpAddr>) -> Response<Full<Bytes>> {
        if !self.is_by_our_name(request) {
            let why = "asked for by a name that is not its own: use an IP address or a name without a dot, or set `admin.token`\n";
            return text(StatusCode::MISDIRECTED_REQUEST, why);
        }
        if request.uri().path() == "/" {
            return is_method(request.method(), "GET").map_or_else(|no| shown(Err(no)), |()| self.page.response());
        }
        if !self.may(request) {
            if request.headers().contains_key(AUTHORIZATION) {
                tracing::warn!(from = shown_address(from), "admin: a wrong token");
            }
            let mut refusal = text(StatusCode::UNAUTHORIZED, "a bearer token is needed\n");
            refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refusal;
        }
        let path = request.uri().path();
        if request.method() != Method::GET && self.health.phase() == Phase::Draining {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining: it ends soon\n");
        }
        let (first, rest) = path.strip_prefix('/').map_or((path, None), |path| match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        });
        match (first, rest) {
            ("carriers", _) => return shown(self.carriers.answer(request, from).await),
            ("accounts", _) | ("sessions", None) => {
                return shown(accounts::answer(&self.shards, request, from).await);
            }
            ("messages", _) => return shown(messages::answer(&self.shards, request).await),
            ("route", None) => return shown(routing::route(&self.shards, request)),
            ("send", None) => return shown(routing::send(&self.shards, request, from).await),
            ("reload", None) => return shown(self.reload(request, from).await),
            _ => {}
        }
        if !matches!(path, "/livez" | "/readyz" | "/metrics" | "/status" | "/status/recent") {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if let Err(refusal) = is_method(request.method(), "GET") {
            return shown(Err(refusal));
        }
        match path {
            "/status" => shown(match path::query(request.uri(), []) {
                Ok([]) => self.status().await,
                Err(refusal) => Err(refusal),
            }),
            "/status/recent" => self.recent.borrow().answer(request.uri(), self.started),
            "/livez" => probe(self.health.live()),
            "/readyz" => probe(self.health.ready()),
            _ => {
                self.prometheus.publish_process(&process::look(self.health.ready().is_ok()));
                let mut page = text(StatusCode::OK, self.prometheus.render());
                let exposition = HeaderValue::from_static("text/plain; version=0.0.4");
                page.headers_mut().insert(CONTENT_TYPE, exposition);
                page
            }
        }
    }

    async fn status(&self) -> Answered {
        let snapshots = self.shards.snapshots().await;
        Ok(status::status(&self.shards.config(), &self.health, self.started, &snapshots))
    }

    /// Has the configuration read again, and says what came of it.
    async fn reload(&self, request: &Request<Incoming>, from: Option<IpAddr>) -> Answered {
        is_method(request.method(), "POST")?;
        is_no_web_page(request)?;
        path::query(request.uri(), [])?;
        tracing::info!(target: "audit", from = shown_address(from), "reload");
        match self.reloads.ask_and_hear().look(|outcome| outcome.clone()).await {
            Ok(reloaded) => Ok(reloaded.as_json()),
            Err(Unchanged::Refused(problems)) => Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, problems.join("\n"))),
            Err(Unchanged::NotNow(why)) => Err(refusal(StatusCode::SERVICE_UNAVAILABLE, why)),
        }
    }

    /// A web page whose own name was made to mean this address could otherwise read what its reader may, for it asks nobody else.
    /// Who has the token may come by any name; probes tell nothing that is worth it.
    fn is_by_our_name(&self, request: &Request<Incoming>) -> bool {
        let is_open =
            self.shards.config().admin.token.is_some() || ["/livez", "/readyz"].contains(&request.uri().path());
        is_open || request.headers().get_all(HOST).iter().all(|host| host.to_str().is_ok_and(is_no_public_name))
    }

    fn may(&self, request: &Request<Incoming>) -> bool {
        let config = self.shards.config();
        let Some(token) = &config.admin.token else { return true };
        let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        let (scheme, given) = given.split_at_checked(b"Bearer ".len()).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(given.ct_eq(token.expose()))
    }
}

/// An address, or a name that only a network of one's own gives: those that anybody may have are below a domain.
fn is_no_public_name(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|octet| octet.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_bare = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    address.parse::<IpAddr>().is_ok() || is_bare || name.to_ascii_lowercase().ends_with(".localhost")
}

fn probe(outcome: Result<(), String>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

#[cfg(test)]
mod tests;
