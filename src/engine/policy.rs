//! What an account may send from and to, and the sender it is sent from: by its settings alone, whatever else is going on.

use super::event::SubmitError;
use super::router::significant;
use crate::config::{self, NumberSet};
use crate::smpp::view::{Address, SmView, esm_class};

/// Digits of a short code, as a profile's `short_digits` has it unless it says otherwise.
const SHORT_DIGITS: usize = 6;

/// Whether this may be sent at all.
pub fn check(config: &config::Account, opt_out: Option<&NumberSet>, view: &SmView<'_>) -> Result<(), SubmitError> {
    if !config.submit {
        return Err(SubmitError::SubmitsDisabled);
    }
    if view.esm_class & (esm_class::RECEIPT | esm_class::INTERMEDIATE) != 0 {
        return Err(SubmitError::ReceiptFromEsme);
    }
    let allows = |patterns: &Option<Vec<config::Pattern>>, address: &[u8]| {
        patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(address)))
    };
    // What the operator put in needs no leave: only what the ESME chose is looked at.
    if own_sender(config, view.source).is_none() && !allows(&config.senders, view.source.digits) {
        return Err(SubmitError::SenderNotAllowed);
    }
    if !allows(&config.destinations, view.destination.digits) {
        return Err(SubmitError::DestinationNotAllowed);
    }
    if opt_out.is_some_and(|numbers| numbers.contains(view.destination.digits)) {
        return Err(SubmitError::OptedOut);
    }
    Ok(())
}

/// Whether an account's submits may leave with another sender than they came with.
#[must_use]
pub fn has_own_sender(config: &config::Account) -> bool {
    config.force_sender.is_some() || config.default_sender.is_some()
}

/// The sender that a submit leaves with, when it came with this one.
#[must_use]
pub fn sender<'a>(config: &'a config::Account, came: Address<'a>) -> Address<'a> {
    own_sender(config, came).map_or(came, own_address)
}

/// A forced one replaces what came, a default one stands for an empty one.
fn own_sender<'a>(config: &'a config::Account, came: Address<'_>) -> Option<&'a str> {
    let default = config.default_sender.as_deref().filter(|_| came.digits.is_empty());
    config.force_sender.as_deref().or(default)
}

/// A sender from the configuration, marked by what it is (SMPP 3.4, sections 5.2.5 and 5.2.6): a name, a short code or an
/// international number.
#[must_use]
pub fn own_address(digits: &str) -> Address<'_> {
    let digits = digits.as_bytes();
    let number = significant(digits);
    let (ton, npi) = if !number.iter().all(u8::is_ascii_digit) {
        (5, 0)
    } else if number.len() == digits.len() && number.len() <= SHORT_DIGITS {
        (3, 0)
    } else {
        (1, 1)
    };
    Address { ton, npi, digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_of_ours_is_marked_as_what_it_is() {
        for (digits, ton, npi) in [
            ("ACME", 5, 0),
            ("4477009", 1, 1),
            ("+447700900001", 1, 1),
            ("00447700900001", 1, 1),
            ("12345", 3, 0),
            ("+12345", 1, 1),
            ("+ACME", 5, 0),
            ("4 You", 5, 0),
        ] {
            let address = own_address(digits);
            assert_eq!((address.ton, address.npi, address.digits), (ton, npi, digits.as_bytes()), "{digits}");
        }
    }

    fn config(settings: &str) -> config::Account {
        let text = format!("accounts: {{ a: {{ password: p{settings} }} }}");
        let surroundings = config::Surroundings { base: "".into(), env: &|_| None, file: &|_| Err(String::new()) };
        config::parse(&text, &surroundings).unwrap().config.accounts.remove(0)
    }

    fn checked(settings: &str, source: &str) -> (Result<(), SubmitError>, String) {
        let mut body = b"\0\x01\x01".to_vec();
        body.extend_from_slice(source.as_bytes());
        body.extend_from_slice(b"\0\x01\x0149170\0\0\0\0\0\0\x01\0\0\0\x02hi");
        let (config, view) = (config(settings), SmView::submit(&body).unwrap());
        let sender = sender(&config, view.source);
        (check(&config, None, &view), format!("{}:{}", sender.ton, String::from_utf8_lossy(sender.digits)))
    }

    #[test]
    fn what_the_esme_chose_must_be_allowed_and_what_the_operator_chose_is() {
        let refused = Err(SubmitError::SenderNotAllowed);
        for (settings, source, allowed, leaves_as) in [
            ("", "X", Ok(()), "1:X"),
            ("", "", Ok(()), "1:"),
            (", senders: ACME", "acme", Ok(()), "1:acme"),
            (", senders: ACME", "X", refused, "1:X"),
            (", senders: ACME", "", refused, "1:"),
            (", senders: ACME, default_sender: Shop", "", Ok(()), "5:Shop"),
            (", senders: ACME, default_sender: Shop", "X", refused, "1:X"),
            (", senders: ACME, force_sender: Shop", "X", Ok(()), "5:Shop"),
            (", default_sender: Shop, force_sender: \"4915100000001\"", "", Ok(()), "1:4915100000001"),
        ] {
            assert_eq!(checked(settings, source), (allowed, leaves_as.to_owned()), "{settings} from {source:?}");
        }
    }
}
