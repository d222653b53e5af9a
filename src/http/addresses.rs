//! Numbers, names and URLs as customers write them.

use super::fields::{LEAST_DIGITS, MOST_DIGITS, MOST_LETTERS, MOST_URL};
use super::problem::Kind;
use crate::config;
use crate::engine::policy::own_address;
use crate::smpp::view::Address;

/// Whom a message is to. Its + or 00 only says that it is international, and the address says so by its type of number.
#[must_use]
pub fn destination(written: &str) -> Option<Address<'_>> {
    let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    number(written).filter(|address| is_number(address.digits) && address.digits.len() >= LEAST_DIGITS)
}

/// Whom a message is from: a number or a name.
#[must_use]
pub fn sender(written: &str) -> Option<Address<'_>> {
    let address = number(written)?;
    let is_number = address.digits.iter().all(u8::is_ascii_digit);
    let is_name = || address.digits.iter().all(|letter| (b' '..=b'~').contains(letter));
    (is_number || address.digits.len() <= MOST_LETTERS && is_name()).then_some(address)
}

fn number(written: &str) -> Option<Address<'_>> {
    let address = own_address(written);
    let prefixed = written.strip_prefix('+').or_else(|| written.strip_prefix("00"));
    let digits = match prefixed {
        Some(digits) if digits.starts_with(|first: char| first.is_ascii_digit()) => digits.as_bytes(),
        _ => address.digits,
    };
    (1..=MOST_DIGITS).contains(&digits.len()).then_some(Address { digits, ..address })
}

/// Whether requests of this account may name this URL to be called.
pub(super) fn check_callback(url: &str, account: &config::Account) -> Result<(), (Kind, &'static str)> {
    if !account.callback_override {
        return Err((Kind::CallbackNotAllowed, "cannot be named by this account's requests"));
    }
    if url.len() > MOST_URL || config::callback_url(url).is_err() {
        return Err((Kind::Invalid, "must be a URL of at most 2048 characters, such as https://example.com/sms"));
    }
    if url.starts_with("http://") && !account.calls.allow_http {
        return Err((Kind::Invalid, "must begin with https://"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_loses_its_prefix_and_gains_its_type() {
        let read = |written| destination(written).map(|address| (address.ton, address.npi, address.digits));
        for (written, expected) in [
            ("491701234567", Some((1, 1, &b"491701234567"[..]))),
            ("+491701234567", Some((1, 1, b"491701234567"))),
            ("00491701234567", Some((1, 1, b"491701234567"))),
            ("12345", Some((3, 0, b"12345"))),
            ("+12345", Some((1, 1, b"12345"))),
            ("01701234567", Some((1, 1, b"01701234567"))),
            ("12345678901234567890", Some((1, 1, b"12345678901234567890"))),
            ("+0012345", Some((1, 1, b"0012345"))),
            ("123456789012345678901", None),
            ("+123456789012345678901", None),
            ("12", None),
            ("+12", None),
            ("0012", None),
            ("", None),
            ("+", None),
            ("00", None),
            ("++123", None),
            ("+49 170", None),
            ("49-170", None),
            ("49170a", None),
            ("١٢٣٤٥", None),
            ("123\0", None),
            ("123\n", None),
        ] {
            assert_eq!(read(written), expected, "{written:?}");
        }
    }

    #[test]
    fn a_sender_is_a_number_or_a_short_name() {
        let read = |written| sender(written).map(|address| (address.ton, address.npi, address.digits));
        for (written, expected) in [
            ("ACME", Some((5, 0, &b"ACME"[..]))),
            ("4 You + me", Some((5, 0, b"4 You + me"))),
            ("+ACME", Some((5, 0, b"+ACME"))),
            ("12345678901", Some((1, 1, b"12345678901"))),
            ("12345678901234567890", Some((1, 1, b"12345678901234567890"))),
            ("+4477009", Some((1, 1, b"4477009"))),
            ("1", Some((3, 0, b"1"))),
            ("", None),
            ("ABCDEFGHIJKL", None),
            ("123456789012345678901", None),
            ("Caf\u{e9}", None),
            ("A\0B", None),
            ("A\n", None),
            ("1234567890A2", None),
        ] {
            assert_eq!(read(written), expected, "{written:?}");
        }
    }
}
