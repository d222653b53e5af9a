//! TLS to carriers: whom we trust, read and checked at start, and the handshake. A certificate is verified at every dial.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::Arc;

use glommio::net::TcpStream;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::config::{Carrier, CarrierTls, Config, Connect};
use crate::runtime::files;
use crate::runtime::tls_listener::TlsServer;
use crate::runtime::transport::{Tls, Transport};

/// What TLS to one carrier needs.
#[derive(Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    /// The name its certificate must have, unless it is the host's of the address.
    server_name: Option<ServerName<'static>>,
}

/// What TLS needs, to carriers and from customers.
#[derive(Debug)]
pub struct TlsSetup {
    pub clients: Vec<Option<TlsClient>>,
    pub smpp: Option<TlsServer>,
    pub http: Option<TlsServer>,
}

/// Reads and checks all that TLS needs. Else every problem, one a line.
pub fn open(config: &Config) -> Result<TlsSetup, Vec<String>> {
    match (clients(config), TlsServer::for_smpp(config), TlsServer::for_http(config)) {
        (Ok(clients), Ok(smpp), Ok(http)) => Ok(TlsSetup { clients, smpp, http }),
        (clients, smpp, http) => Err([smpp.err(), http.err(), clients.err()].into_iter().flatten().flatten().collect()),
    }
}

/// One for each carrier, in the configuration's order; `None` where links are in clear. Else every problem, one a line.
fn clients(config: &Config) -> Result<Vec<Option<TlsClient>>, Vec<String>> {
    let provider = Arc::new(ring::default_provider());
    let (mut clients, mut problems) = (Vec::new(), Vec::new());
    let mut of_the_system = None;
    for carrier in &config.carriers {
        let CarrierTls::On { ca, server_name } = &carrier.tls else {
            clients.push(None);
            continue;
        };
        let roots = match ca {
            Some(file) => read_roots(file).map_err(|why| format!("carriers.{}.tls.ca: {why}", carrier.name)),
            None => of_the_system
                .get_or_insert_with(system_roots)
                .clone()
                .map_err(|why| format!("carriers.{}.tls: {why}", carrier.name)),
        };
        match roots.and_then(|roots| client(carrier, server_name.as_deref(), roots, &provider)) {
            Ok(client) => clients.push(Some(client)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(clients) } else { Err(problems) }
}

impl TlsClient {
    /// Agrees on TLS with the carrier at `target`, which was written as `host:port`.
    pub async fn handshake(&self, target: &str, tcp: TcpStream) -> io::Result<Transport> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => name_of(host(target)).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?,
        };
        let tls = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut transport = Transport::new(tcp, Some(Tls::new(tls)));
        poll_fn(|cx| transport.poll_handshake(cx)).await?;
        Ok(transport)
    }
}

fn client(
    carrier: &Carrier,
    server_name: Option<&str>,
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<TlsClient, String> {
    let problem = |why: String| format!("carriers.{}.tls: {why}", carrier.name);
    let server_name = server_name.map(name_of).transpose().map_err(problem)?;
    if server_name.is_none() {
        for address in addresses(&carrier.connect) {
            name_of(host(address)).map_err(|why| problem(format!("{why}: say which `server_name` it has")))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(error.to_string()))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // Links live long: what is resumed is not verified again, and saves next to nothing.
    config.resumption = Resumption::disabled();
    Ok(TlsClient { config: Arc::new(config), server_name })
}

pub(super) fn read_roots(file: &Path) -> Result<Arc<RootCertStore>, String> {
    let pem = files::read(file).map_err(|why| format!("{}: {why}", file.display()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("{}: is not sound PEM: {error}", file.display()))?;
        roots.add(certificate).map_err(|error| format!("{}: holds a bad certificate: {error}", file.display()))?;
    }
    if roots.is_empty() {
        return Err(format!("{}: holds no certificate in PEM", file.display()));
    }
    Ok(Arc::new(roots))
}

fn system_roots() -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this system has no certificates to trust: install ca-certificates, or name a `ca`".to_owned());
    }
    Ok(Arc::new(roots))
}

fn addresses(connect: &Connect) -> Vec<&str> {
    match connect {
        Connect::Transceiver(address) => vec![address],
        Connect::TransmitterReceiver { transmitter, receiver } => vec![transmitter, receiver],
    }
}

/// The host of `host:port`.
fn host(target: &str) -> &str {
    let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn name_of(host: &str) -> Result<ServerName<'static>, String> {
    // A certificate's name never ends in the dot that a name may be written with.
    let host = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} cannot be a name in a certificate"))
}
