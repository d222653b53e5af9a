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
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
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
            Ok(stream) if admin.connections.get() < MAX_CONNECTIONS => {
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
    let head_read = Cell::new(false);
    let from = stream.peer_addr().ok().map(|address| address.ip());
    let head_read_too = &head_read;
    let service = service_fn(|request: Request<Incoming>| async move {
        head_read_too.set(true);
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
    future::or(async { drop(connection.await) }, deadline).await;
}

impl Admin {
    async fn answer(&self, request: &Request<Incoming>, from: Option<IpAddr>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/" {
            return is_method(request.method(), "GET").map_or_else(|no| shown(Err(no)), |()| self.page.response());
        }
        if !self.may(request) {
            let mut refusal = text(StatusCode::UNAUTHORIZED, "a bearer token is needed\n");
            refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refusal;
        }
        let path = request.uri().path();
        if request.method() != Method::GET && self.health.phase() == Phase::Draining {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining: it ends soon\n");
        }
        match path.trim_start_matches('/').split('/').next().unwrap_or_default() {
            "carriers" => return shown(self.carriers.answer(request, from).await),
            "accounts" | "sessions" => return shown(accounts::answer(&self.shards, request, from).await),
            "messages" => return shown(messages::answer(&self.shards, request).await),
            "route" => return shown(routing::route(&self.shards, request)),
            "send" => return shown(routing::send(&self.shards, request, from).await),
            "reload" => return shown(self.reload(request, from).await),
            _ => {}
        }
        if !matches!(path, "/livez" | "/readyz" | "/metrics" | "/status" | "/status/recent") {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if let Err(refusal) = is_method(request.method(), "GET") {
            return shown(Err(refusal));
        }
        match path {
            "/status" => shown(self.status().await),
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
        tracing::info!(target: "audit", from = shown_address(from), "reload");
        match self.reloads.ask_and_hear().look(|outcome| outcome.clone()).await {
            Ok(reloaded) => Ok(reloaded.as_json()),
            Err(Unchanged::Refused(problems)) => Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, problems.join("\n"))),
            Err(Unchanged::NotNow(why)) => Err(refusal(StatusCode::SERVICE_UNAVAILABLE, why)),
        }
    }

    fn may(&self, request: &Request<Incoming>) -> bool {
        let config = self.shards.config();
        let Some(token) = &config.admin.token else { return true };
        let given = request.headers().get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
        let (scheme, given) = given.split_at_checked(b"Bearer ".len()).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(given.ct_eq(token.expose()))
    }
}

fn probe(outcome: Result<(), String>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::SocketAddr;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::config::{self, Surroundings};
    use crate::runtime::live::Current;
    use crate::runtime::mailbox::Mailboxes;

    fn shards(token: Option<&str>) -> Shards {
        let surroundings = Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
        let text = token.map_or(String::new(), |token| format!("admin: {{ token: {token} }}"));
        let config = config::parse(&text, &surroundings).unwrap().config;
        Shards::new(Current::new(Arc::new(config)), Arc::new(Mailboxes::new(1)))
    }

    fn serving(token: Option<&str>) -> (SocketAddr, Arc<Health>) {
        serving_with(token, HEAD_DEADLINE)
    }

    fn serving_with(token: Option<&str>, head_deadline: Duration) -> (SocketAddr, Arc<Health>) {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!("trunkline_turns_total", "shard" => "0").absolute(7)
        });
        let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let health = Arc::new(Health::new(1));
        let (prometheus, shards, reloads) = (Exporter::new(recorder.handle()), shards(token), Reloads::new().0);
        start_with(listener, Arc::clone(&health), prometheus, shards, reloads, head_deadline).unwrap();
        (address, health)
    }

    /// What the listener says to these bytes, until it closes.
    fn said(address: SocketAddr, request: &str) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn get(address: SocketAddr, path: &str) -> String {
        said(address, &format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n"))
    }

    #[test]
    fn the_probes_follow_the_health_of_the_process() {
        let (address, health) = serving(None);
        let answer = get(address, "/readyz");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\nstarting\n"), "{answer}");
        health.beat(0, clock::monotonic_ns());
        health.enter(Phase::Ready);
        for path in ["/livez", "/readyz"] {
            let answer = get(address, path);
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
        }
        health.enter(Phase::Draining);
        assert!(get(address, "/readyz").ends_with("\r\n\r\ndraining\n"));
        health.fail("disk full");
        let answer = get(address, "/livez");
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("disk full"), "{answer}");
    }

    #[test]
    fn metrics_are_in_the_exposition_format() {
        let (address, _) = serving(None);
        let answer = get(address, "/metrics").to_lowercase();
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
        assert!(answer.contains("trunkline_turns_total{shard=\"0\"} 7\n"), "{answer}");
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let (address, _) = serving(None);
        assert!(get(address, "/nothing").starts_with("HTTP/1.1 404 "));
        let answer = said(address, "POST /metrics HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.to_lowercase().contains("allow: get"), "{answer}");
    }

    #[test]
    fn with_a_token_nothing_is_said_without_it() {
        let (address, _) = serving(Some("s3cret"));
        let with = |value: &str| said(address, &format!("GET /metrics HTTP/1.1\r\nAuthorization: {value}\r\n\r\n"));
        assert!(get(address, "/livez").starts_with("HTTP/1.1 401 "));
        assert!(get(address, "/carriers").starts_with("HTTP/1.1 401 "));
        assert!(get(address, "/status/recent").starts_with("HTTP/1.1 401 "));
        assert!(get(address, "/").starts_with("HTTP/1.1 200 "), "the page itself tells nothing");
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret"] {
            assert!(with(wrong).starts_with("HTTP/1.1 401 "), "{wrong}");
        }
        assert!(with("Bearer s3cret").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_head_over_8_kib_is_refused_and_the_next_connection_is_served() {
        let (address, _) = serving(None);
        let long = "x".repeat(MAX_HEAD);
        let answer = said(address, &format!("GET /livez HTTP/1.1\r\nX: {long}\r\n\r\n"));
        assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(get(address, "/livez").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_head_that_does_not_come_ends_the_connection() {
        let (address, _) = serving_with(None, Duration::from_millis(50));
        assert_eq!(said(address, "GET /livez HT"), "");
    }
}
