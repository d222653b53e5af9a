//! Whether an account may be used by whoever comes from there, in that way: the same for binds and for HTTP requests.

use std::net::IpAddr;

use crate::config::Account;
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
