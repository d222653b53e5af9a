//! One call: where to, there, and what it answers.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};

use super::Posting;
use super::line::{Line, Place};
use crate::config::AccountId;
use crate::http::destination::{self, Destination};
use crate::http::webhook::Outgoing;
use crate::runtime::tls::TlsClient;
use crate::runtime::transport::Transport;
use crate::runtime::{clock, socket};

/// For whom a call is made, and what it may do.
pub(super) struct Terms<'a> {
    pub(super) account: AccountId,
    pub(super) allow_private: bool,
    /// `None`: nobody's certificate would be trusted.
    pub(super) tls: Option<&'a TlsClient>,
    /// Where this process listens.
    pub(super) listens: &'a [SocketAddr],
}

impl Posting {
    /// What it answered. A head is an answer, whatever becomes of its body.
    pub(super) async fn ask(&self, terms: &Terms<'_>, to: &Destination, outgoing: &Outgoing) -> io::Result<StatusCode> {
        let deadline = clock::monotonic_ns() + self.patience.as_nanos() as u64;
        let left = || Duration::from_nanos(deadline.saturating_sub(clock::monotonic_ns()));
        let place = Place::of(terms.account, to);
        let answered = future::or(self.reach(terms, &place, to, outgoing), socket::give_up(left())).await;
        let (mut line, response) = answered?;
        let status = response.status();
        let is_whole = future::or(line.read_rest(response.into_body()), async {
            let _: io::Result<()> = socket::give_up(left()).await;
            false
        });
        if is_whole.await {
            self.lines.borrow_mut().keep(place, line, clock::monotonic_ns());
        }
        Ok(status)
    }

    /// Sends it, by a connection that is open already or by a new one, and waits for the answer's head.
    async fn reach(
        &self,
        terms: &Terms<'_>,
        place: &Place,
        to: &Destination,
        outgoing: &Outgoing,
    ) -> io::Result<(Line, Response<Incoming>)> {
        let kept = self.lines.borrow_mut().take(place, clock::monotonic_ns());
        if let Some(mut line) = kept {
            // One that fails was closed by the receiver meanwhile, most likely, and says nothing of how it is now.
            if let Ok(response) = line.send(request(to, outgoing)?).await {
                return Ok((line, response));
            }
        }
        let mut line = Line::open(self.connect(terms, to).await?).await?;
        let response = line.send(request(to, outgoing)?).await?;
        Ok((line, response))
    }

    /// Connects to one of the host's addresses, of those where this call may go.
    async fn connect(&self, terms: &Terms<'_>, to: &Destination) -> io::Result<Transport> {
        let deadline = clock::monotonic_ns() + self.patience.as_nanos() as u64;
        let target = to.target();
        let mut addresses = self.resolver.addresses(&target).await?;
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        addresses.retain(|address| {
            let judged = destination::judge(*address, terms.allow_private, terms.listens, is_of_this_host);
            judged.map_err(|why| refused = io::Error::other(format!("{} {why}", address.ip()))).is_ok()
        });
        if to.is_tls && terms.tls.is_none() {
            return Err(io::Error::other("this system has no certificates to trust"));
        }
        let tcp = socket::connect_in_turn(&addresses, None, deadline).await.unwrap_or(Err(refused))?;
        match terms.tls.filter(|_| to.is_tls) {
            Some(trusting) => trusting.handshake(&target, tcp).await,
            None => Ok(Transport::new(tcp, None)),
        }
    }
}

fn request(to: &Destination, outgoing: &Outgoing) -> io::Result<Request<Full<Bytes>>> {
    let mut request =
        Request::builder().method(outgoing.method.clone()).uri(&to.path_and_query).header(HOST, &to.authority);
    for (name, value) in &outgoing.headers {
        request = request.header(*name, value);
    }
    request.body(Full::new(outgoing.body.clone())).map_err(io::Error::other)
}

/// Whether something here may listen at it.
fn is_of_this_host(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

#[cfg(test)]
mod tests;
