//! TLS to carriers and to customers' callbacks: whom we trust, read and checked at start, and the handshake. A certificate is
//! verified at every dial.

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

/// What TLS to one carrier, or to one account's callbacks, needs.
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
    /// By account.
    pub callbacks: Vec<Option<TlsClient>>,
    pub smpp: Option<TlsServer>,
    pub http: Option<TlsServer>,
}

/// Reads and checks all that TLS needs. Else every problem, one a line.
pub fn open(config: &Config) -> Result<TlsSetup, Vec<String>> {
    let mut trust = Trust::default();
    let clients = (clients(config, &mut trust), callbacks(config, &mut trust));
    match (clients, TlsServer::for_smpp(config), TlsServer::for_http(config)) {
        ((Ok(clients), Ok(callbacks)), Ok(smpp), Ok(http)) => Ok(TlsSetup { clients, callbacks, smpp, http }),
        ((clients, callbacks), smpp, http) => {
            let problems = [smpp.err(), http.err(), clients.err(), callbacks.err()];
            Err(problems.into_iter().flatten().flatten().collect())
        }
    }
}

/// The authorities this system trusts, read when somebody needs them.
#[derive(Default)]
struct Trust(Option<Result<Arc<RootCertStore>, String>>);

impl Trust {
    fn of_the_system(&mut self) -> Result<Arc<RootCertStore>, String> {
        self.0.get_or_insert_with(system_roots).clone()
    }
}

/// One for each carrier, in the configuration's order; `None` where links are in clear. Else every problem, one a line.
fn clients(config: &Config, trust: &mut Trust) -> Result<Vec<Option<TlsClient>>, Vec<String>> {
    let provider = Arc::new(ring::default_provider());
    let (mut clients, mut problems) = (Vec::new(), Vec::new());
    for carrier in &config.carriers {
        let CarrierTls::On { ca, server_name } = &carrier.tls else {
            clients.push(None);
            continue;
        };
        let roots = match ca {
            Some(file) => read_roots(file).map_err(|why| format!("carriers.{}.tls.ca: {why}", carrier.name)),
            None => trust.of_the_system().map_err(|why| format!("carriers.{}.tls: {why}", carrier.name)),
        };
        match roots.and_then(|roots| client(carrier, server_name.as_deref(), roots, &provider)) {
            Ok(client) => clients.push(Some(client)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(clients) } else { Err(problems) }
}

/// One for each account; `None` where no callback is over TLS, or where some may be in clear and this system trusts nobody.
fn callbacks(config: &Config, trust: &mut Trust) -> Result<Vec<Option<TlsClient>>, Vec<String>> {
    let provider = Arc::new(ring::default_provider());
    let (mut clients, mut problems) = (Vec::new(), Vec::new());
    for account in &config.accounts {
        let is_https = account.callback.as_ref().is_some_and(|callback| !callback.url.starts_with("http://"));
        let path = format!("accounts.{}.callback", account.name);
        let roots = match &account.calls.ca {
            Some(file) => read_roots(file).map(Some).map_err(|why| format!("{path}.ca: {why}")),
            None if is_https || account.callback_override => match trust.of_the_system() {
                Ok(roots) => Ok(Some(roots)),
                Err(_) if !is_https && account.calls.allow_http => Ok(None),
                Err(why) => Err(format!("{path}: {why}")),
            },
            None => Ok(None),
        };
        let config = |roots: Option<_>| roots.map(|roots| client_config(roots, &provider)).transpose();
        match roots.and_then(|roots| config(roots).map_err(|why| format!("{path}: {why}"))) {
            // What it named may have gone with it.
            Err(_) if account.is_gone => clients.push(None),
            Ok(config) => clients.push(config.map(|config| TlsClient { config, server_name: None })),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(clients) } else { Err(problems) }
}

impl TlsClient {
    /// Agrees on TLS with whoever is at `target`, which was written as `host:port`.
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
    let config = client_config(roots, provider).map_err(problem)?;
    Ok(TlsClient { config, server_name })
}

fn client_config(roots: Arc<RootCertStore>, provider: &Arc<CryptoProvider>) -> Result<Arc<ClientConfig>, String> {
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // Links live long: what is resumed is not verified again, and saves next to nothing.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
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
