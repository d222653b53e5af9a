//! alert_notification (SMPP 3.4, section 4.12.1): a handset that could not be reached is there again.

use super::view::Address;

/// Whose handset, and whom it is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AlertView<'a> {
    pub source: Address<'a>,
    pub esme: Address<'a>,
}

impl<'a> AlertView<'a> {
    /// Reads a carrier's; what stands behind both addresses is not looked at. `None` when they are not there.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let (source, rest) = address(body)?;
        let (esme, _) = address(rest)?;
        Some(Self { source, esme })
    }
}

/// The address in front and what follows it.
fn address(octets: &[u8]) -> Option<(Address<'_>, &[u8])> {
    let [ton, npi, rest @ ..] = octets else { return None };
    let len = rest.iter().position(|octet| *octet == 0)?;
    Some((Address { ton: *ton, npi: *npi, digits: &rest[..len] }, &rest[len + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_are_read_and_no_cut_is_taken_for_whole() {
        let body = b"\x01\x0149151\0\x03\x0912345\0\x04\x22\0\x01\0";
        let view = AlertView::read(body).unwrap();
        assert_eq!(view.source, Address { ton: 1, npi: 1, digits: b"49151" });
        assert_eq!(view.esme, Address { ton: 3, npi: 9, digits: b"12345" });
        let whole = 16;
        for cut in 0..body.len() {
            assert_eq!(AlertView::read(&body[..cut]).is_some(), cut >= whole, "{cut}");
        }
    }
}
