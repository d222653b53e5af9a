//! TLS from customers, of SMPP and of HTTP: what we show them and whose certificates we ask for, read and checked at start.
//!
//! Nothing is resumed. Binds live long, and a certificate that was verified once would not be again.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{Error, RootCertStore, ServerConfig, ServerConnection};
use webpki::EndEntityCert;

use crate::config::{Config, TlsListener};
use crate::runtime::files;
use crate::runtime::tls::read_roots;
use crate::runtime::transport::Tls;

/// What TLS on the listeners of one protocol needs.
#[derive(Debug)]
pub struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// For `smpp.tls`, if it is configured. Else every problem, one a line.
    pub fn for_smpp(config: &Config) -> Result<Option<Self>, Vec<String>> {
        config.smpp.tls.as_ref().map(|listener| Self::open(listener, "smpp", &[])).transpose()
    }

    /// For `http.tls`.
    pub fn for_http(config: &Config) -> Result<Option<Self>, Vec<String>> {
        let listener = config.http.as_ref().and_then(|http| http.tls.as_ref());
        listener.map(|listener| Self::open(listener, "http", &[b"http/1.1"])).transpose()
    }

    /// `protocols` are what is agreed on with those who ask for one by ALPN.
    fn open(listener: &TlsListener, section: &str, protocols: &[&[u8]]) -> Result<Self, Vec<String>> {
        let certificates = read_certificates(&listener.certificate);
        let key = read_key(&listener.key);
        let authorities = listener.client_ca.as_deref().map(read_roots).transpose();
        let mut problems = Vec::new();
        let mut tell =
            |key: &str, why: Option<&String>| problems.extend(why.map(|why| format!("{section}.tls.{key}: {why}")));
        tell("certificate", certificates.as_ref().err());
        tell("key", key.as_ref().err());
        tell("client_ca", authorities.as_ref().err());
        let (Ok(certificates), Ok(key), Ok(authorities)) = (certificates, key, authorities) else {
            return Err(problems);
        };
        match server(listener, certificates, key, authorities) {
            Ok(mut server) => {
                server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
                Ok(Self(Arc::new(server)))
            }
            Err(why) => Err(vec![format!("{section}.tls.{why}")]),
        }
    }

    /// The TLS of a connection that begins; its handshake is done as it is read.
    pub fn begin(&self) -> Result<Box<Tls>, Error> {
        ServerConnection::new(Arc::clone(&self.0)).map(Tls::new)
    }
}

/// The DNS names a certificate has.
#[must_use]
pub fn names_of(certificate: &[u8]) -> Vec<String> {
    let der = CertificateDer::from(certificate);
    let Ok(certificate) = EndEntityCert::try_from(&der) else { return Vec::new() };
    certificate.valid_dns_names().map(str::to_owned).collect()
}

fn server(
    listener: &TlsListener,
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Option<Arc<RootCertStore>>,
) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("certificate: {error}"))?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| format!("client_ca: {error}"))?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(|error| {
        let (key, certificate) = (listener.key.display(), listener.certificate.display());
        if matches!(error, Error::InconsistentKeys(_)) {
            format!("key: {key}: is not the key of the first certificate in {certificate}")
        } else if matches!(error, Error::InvalidCertificate(_)) {
            format!("certificate: {certificate}: {error}")
        } else {
            format!("key: {key}: {error}")
        }
    })?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let of_file = |why: String| format!("{}: {why}", file.display());
    let pem = files::read(file).map_err(of_file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = read.map_err(|error| of_file(format!("is not sound PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(of_file("holds no certificate in PEM".to_owned()));
    }
    Ok(certificates)
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let of_file = |why: String| format!("{}: {why}", file.display());
    let pem = files::read(file).map_err(of_file)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        of_file(if matches!(error, PemError::NoItemsFound) {
            "holds no private key in PEM, or one with a passphrase".to_owned()
        } else {
            format!("is not sound PEM: {error}")
        })
    })
}
