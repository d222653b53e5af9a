//! Keeps a session connected: once, or again and again for the whole run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use glommio::net::TcpStream;
use glommio::timer::Timer;

use super::conduct::Shared;
use super::session::Session;

const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Serves the session until the run ends; without `--reconnect`, until its one connection does.
pub(super) async fn keep(mut session: Session, first: Option<TcpStream>, shared: Arc<Shared>) {
    let mut stream = first;
    let mut backoff = BACKOFF_MIN;
    loop {
        if let Some(stream) = stream.take()
            && session.serve(stream).await
        {
            backoff = BACKOFF_MIN;
        }
        if !shared.args.reconnect || shared.is_ending() {
            break;
        }
        Timer::new(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
        if shared.is_ending() {
            break;
        }
        stream = connect(shared.args.connect).await.ok();
    }
    session.end();
}
