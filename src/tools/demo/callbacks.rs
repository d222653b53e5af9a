//! The customer's side of a callback, for the demonstration: takes everything, and prints what it was told.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};

use glommio::{LocalExecutorBuilder, Placement};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

use crate::runtime::hyper_io::HyperIo;
use crate::runtime::pulse::Pulse;
use crate::runtime::sys;
use crate::runtime::transport::Transport;
use crate::tools::PULSE;

/// Of a call's body.
const MOST: usize = 1 << 20;

/// Takes callbacks on a thread of its own until the process ends; where.
pub(super) fn start() -> Result<SocketAddr, String> {
    let failed = |error: std::io::Error| format!("callbacks: {error}");
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let pulse = Pulse::start(1, PULSE).map_err(failed)?;
    LocalExecutorBuilder::new(Placement::Unbound)
        .name("callbacks")
        .io_memory(64 << 10)
        .spawn(move || async move {
            glommio::spawn_local(pulse.keep_awake(0)).detach();
            accept(listener).await;
        })
        .map_err(|error| format!("callbacks: {error}"))?;
    Ok(address)
}

async fn accept(listener: TcpListener) {
    let listener = sys::listener_from(listener);
    while let Ok(stream) = listener.accept().await {
        let serving = async move {
            let service =
                service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(take(request).await) });
            let io = HyperIo::new(Transport::new(stream, None));
            // A gateway that goes away is no news.
            let _ = http1::Builder::new().serve_connection(io, service).await;
        };
        glommio::spawn_local(serving).detach();
    }
}

async fn take(request: Request<Incoming>) -> Response<Empty<Bytes>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MOST).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    println!("callback: {} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
