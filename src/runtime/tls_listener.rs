//! TLS from ESMEs: what we show them and whose certificates we ask for, read and checked at start.
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

/// What TLS from ESMEs needs.
#[derive(Debug)]
pub struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// As configured, if it is. Else every problem, one a line.
    pub fn open(config: &Config) -> Result<Option<Self>, Vec<String>> {
        let Some(listener) = &config.smpp.tls else { return Ok(None) };
        let certificates = read_certificates(&listener.certificate);
        let key = read_key(&listener.key);
        let authorities = listener.client_ca.as_deref().map(read_roots).transpose();
        let mut problems = Vec::new();
        let mut tell =
            |key: &str, why: Option<&String>| problems.extend(why.map(|why| format!("smpp.tls.{key}: {why}")));
        tell("certificate", certificates.as_ref().err());
        tell("key", key.as_ref().err());
        tell("client_ca", authorities.as_ref().err());
        let (Ok(certificates), Ok(key), Ok(authorities)) = (certificates, key, authorities) else {
            return Err(problems);
        };
        match server(listener, certificates, key, authorities) {
            Ok(server) => Ok(Some(Self(Arc::new(server)))),
            Err(why) => Err(vec![format!("smpp.tls.{why}")]),
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
