//! Booking what came back: each answer and receipt into the ledger and the tally.

use super::ledger::{Answer, Arrival, Ledger, Receipt};
use super::tally::Tally;
use crate::smpp::view::{SmView, tag};

/// Where a turn's answers and receipts are booked.
pub(super) struct Books<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) tally: &'a mut Tally,
}

impl Books<'_> {
    /// Returns how many receipts this matched.
    pub(super) fn answered(&mut self, id: &[u8], due_ns: u64, arrival: Arrival) -> u64 {
        match self.ledger.answered(id, due_ns, arrival) {
            Answer::Awaiting => return 0,
            Answer::Repeated => self.tally.repeated_ids += 1,
            Answer::Misrouted => self.tally.misrouted += 1,
            Answer::Matched { latency_ns, same_connection, duplicates } => {
                self.tally.receipts.record(latency_ns);
                self.tally.before_answer += u64::from(same_connection);
                self.tally.duplicates += u64::from(duplicates);
                return 1;
            }
        }
        0
    }

    pub(super) fn receipt(&mut self, id: &[u8], arrival: Arrival) -> u64 {
        match self.ledger.receipt(id, arrival) {
            Receipt::Matched { latency_ns } => {
                self.tally.receipts.record(latency_ns);
                return 1;
            }
            Receipt::Duplicate => self.tally.duplicates += 1,
            Receipt::Misrouted => self.tally.misrouted += 1,
            // Counted when its answer comes, or at the end.
            Receipt::Early => {}
        }
        0
    }
}

/// The id of a receipt and whether it is final; `None` without an id, or when text and TLV name different ones.
pub(super) fn read_receipt<'a>(view: &SmView<'a>) -> Option<(&'a [u8], bool)> {
    let text = view.text();
    let in_text = text.strip_prefix(b"id:").map(|rest| until(rest, b' '));
    let in_tlv = view.tlv(tag::RECEIPTED_MESSAGE_ID).map(until_nul);
    if in_text.is_some() && in_tlv.is_some() && in_text != in_tlv {
        return None;
    }
    let id = in_tlv.or(in_text).filter(|id| !id.is_empty())?;
    let is_final = match view.tlv(tag::MESSAGE_STATE) {
        // ENROUTE, ACCEPTED and UNKNOWN are not the last word (SMPP 3.4, section 5.2.28).
        Some(state) => !matches!(state, [1 | 6 | 7]),
        None => {
            let at = text.windows(5).position(|window| window == b"stat:");
            let state = at.map_or(&b""[..], |at| until(&text[at + 5..], b' '));
            ![&b"ENROUTE"[..], b"ACCEPTD", b"BUFFRED", b"ACKED", b"UNKNOWN"].contains(&state)
        }
    };
    Some((id, is_final))
}

pub(super) fn until_nul(octets: &[u8]) -> &[u8] {
    until(octets, 0)
}

pub(super) fn until(octets: &[u8], end: u8) -> &[u8] {
    octets.iter().position(|octet| *octet == end).map_or(octets, |at| &octets[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(text: &[u8], tlvs: &[u8]) -> Option<(Vec<u8>, bool)> {
        let mut body = b"\0\x01\x0144\0\x05\0ACME\0\x04\0\0\0\0\0\0\0\0".to_vec();
        body.push(text.len() as u8);
        body.extend_from_slice(text);
        body.extend_from_slice(tlvs);
        let view = SmView::deliver(&body).unwrap();
        read_receipt(&view).map(|(id, is_final)| (id.to_vec(), is_final))
    }

    #[test]
    fn the_id_is_read_from_text_or_tlv_and_both_must_agree() {
        let tlv = b"\x00\x1E\x00\x05beef\0";
        assert_eq!(receipt(b"id:beef sub:001 stat:DELIVRD err:000", b""), Some((b"beef".to_vec(), true)));
        assert_eq!(receipt(b"", tlv), Some((b"beef".to_vec(), true)));
        assert_eq!(receipt(b"id:beef stat:DELIVRD", tlv), Some((b"beef".to_vec(), true)));
        assert_eq!(receipt(b"id:48879 stat:DELIVRD", tlv), None);
        assert_eq!(receipt(b"something else", b""), None);
    }

    #[test]
    fn an_intermediate_state_is_not_final() {
        assert_eq!(receipt(b"id:1 stat:ENROUTE err:000", b""), Some((b"1".to_vec(), false)));
        assert_eq!(receipt(b"id:1 stat:UNDELIV err:001", b""), Some((b"1".to_vec(), true)));
        assert_eq!(receipt(b"id:1", b"\x04\x27\x00\x01\x01"), Some((b"1".to_vec(), false)));
        assert_eq!(receipt(b"id:1", b"\x04\x27\x00\x01\x02"), Some((b"1".to_vec(), true)));
    }
}
