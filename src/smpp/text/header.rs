//! The user data header in front of a short message (3GPP TS 23.040, section 9.2.3.24): the caller's, and the mark of a part.

use super::{Reference, TextError};

/// A header of the caller's that was found sound, without its length octet; empty for none.
#[derive(Debug)]
pub(super) struct Header<'a> {
    elements: &'a [u8],
    /// The caller marks the part itself.
    marks_part: bool,
}

impl<'a> Header<'a> {
    pub(super) fn read(udh: Option<&'a [u8]>) -> Result<Self, TextError> {
        const CONCATENATED_8_BIT: u8 = 0x00;
        const CONCATENATED_16_BIT: u8 = 0x08;
        let Some(udh) = udh else { return Ok(Self { elements: b"", marks_part: false }) };
        let (len, elements) = udh.split_first().ok_or(TextError::HeaderUnreadable)?;
        let (mut marks_part, mut rest) = (false, elements);
        while let [element, len, behind @ ..] = rest {
            marks_part |= matches!(*element, CONCATENATED_8_BIT | CONCATENATED_16_BIT);
            rest = behind.get(usize::from(*len)..).ok_or(TextError::HeaderUnreadable)?;
        }
        if usize::from(*len) != elements.len() || elements.is_empty() || !rest.is_empty() {
            return Err(TextError::HeaderUnreadable);
        }
        Ok(Self { elements, marks_part })
    }

    pub(super) fn marks_part(&self) -> bool {
        self.marks_part
    }

    /// Octets in front of a message that is alone.
    pub(super) fn len(&self) -> usize {
        if self.elements.is_empty() { 0 } else { 1 + self.elements.len() }
    }

    /// Octets in front of a part.
    pub(super) fn len_of_part(&self, reference: Reference) -> usize {
        1 + self.elements.len() + if matches!(reference, Reference::Eight(_)) { 5 } else { 6 }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if !self.elements.is_empty() {
            out.push(self.elements.len() as u8);
            out.extend_from_slice(self.elements);
        }
    }

    /// The mark goes first: some handsets look for it nowhere else.
    pub(super) fn write_of_part(&self, reference: Reference, total: u8, number: u8, out: &mut Vec<u8>) {
        out.push((self.len_of_part(reference) - 1) as u8);
        match reference {
            Reference::Eight(reference) => out.extend_from_slice(&[0x00, 3, reference, total, number]),
            Reference::Sixteen(reference) => {
                let [high, low] = reference.to_be_bytes();
                out.extend_from_slice(&[0x08, 4, high, low, total, number]);
            }
        }
        out.extend_from_slice(self.elements);
    }
}
