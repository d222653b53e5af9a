//! Whether an account may be used by whoever comes from there, in that way: the same for binds and for HTTP requests.

use std::net::IpAddr;

use subtle::{Choice, ConstantTimeEq};

use crate::config::{Account, Password};
use crate::metrics::BindRefusal;

/// `names` are the DNS names of the certificate that was shown over TLS, if any; `None`: it came in clear.
pub fn check(account: &Account, address: IpAddr, names: Option<&[String]>) -> Result<(), BindRefusal> {
    let is_allowed_from = match &account.allow_from {
        None => true,
        Some(networks) => networks.iter().any(|network| network.contains(address)),
    };
    // A certificate's `*.example` is a name like others here: it stands for no name below it.
    let is_certified = |wanted: &[String]| {
        let mut shown = names.unwrap_or_default().iter();
        shown.any(|shown| wanted.iter().any(|wanted| shown.eq_ignore_ascii_case(wanted)))
    };
    if !account.enabled {
        Err(BindRefusal::Disabled)
    } else if !is_allowed_from {
        Err(BindRefusal::Address)
    } else if account.tls_required && names.is_none() {
        Err(BindRefusal::Tls)
    } else if !account.client_certificate.as_deref().is_none_or(is_certified) {
        Err(BindRefusal::Certificate)
    } else {
        Ok(())
    }
}

/// Compares with every plain password in constant time, so that timing says neither which nor how far it matched.
#[must_use]
pub fn is_plain_password(passwords: &[Password], password: &[u8]) -> bool {
    let mut is_right = Choice::from(0);
    for known in passwords {
        if let Password::Plain(secret) = known {
            is_right |= secret.expose().ct_eq(password);
        }
    }
    is_right.into()
}
