//! What every HTTP figure is held against: hyper on glommio, which reads a request with its body and answers with another.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use glommio::net::TcpListener;
use glommio::{LocalExecutorBuilder, Placement};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use trunkline::runtime::hyper_io::HyperIo;
use trunkline::runtime::pulse::Pulse;
use trunkline::runtime::transport::Transport;

use crate::processes::Failure;

/// As long as the gateway's answer.
const ANSWER: &[u8] = b"{\"id\":\"0123456789abcdef\",\"segments\":1}";

/// Answers until it is ended.
pub(crate) fn run(listen: SocketAddr) -> Result<(), Failure> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(64 << 10);
    executor.preempt_timer(Duration::from_millis(5)).make()?.run(async move {
        let listener = TcpListener::bind(listen)?;
        println!("listening {}", listener.local_addr()?);
        // As the gateway's shards are (`runtime::pulse` says why).
        let pulse = Pulse::start(1, Duration::from_millis(50))?;
        let beats = async {
            loop {
                pulse.next(0).await;
            }
        };
        future::or(accept(listener), beats).await
    })
}

async fn accept(listener: TcpListener) -> Result<(), Failure> {
    loop {
        let stream = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = async move {
            let answer = service_fn(|request: Request<Incoming>| async move {
                let body = request.into_body().collect().await.map(|body| body.to_bytes().len()).unwrap_or(0);
                let answer = if body > 0 { ANSWER } else { b"" };
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(answer))))
            });
            let io = HyperIo::new(Transport::new(stream, None));
            // A client that goes away is no news.
            let _ = http1::Builder::new().serve_connection(io, answer).await;
        };
        glommio::spawn_local(serving).detach();
    }
}
