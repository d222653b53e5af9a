//! What a peer says of its own load: a carrier to us, and we to an ESME (SMPP 5.0, section 4.8.4.18).

use super::view::{Tlvs, tag};

/// What a response says of the carrier's load: 0..=100. `None` when it says nothing, or something else.
#[must_use]
pub fn congestion_state(optional: &[u8]) -> Option<u8> {
    let tlv = Tlvs::of(optional).find(|tlv| tlv.tag == tag::CONGESTION_STATE)?;
    let [state] = tlv.value else { return None };
    (*state <= 100).then_some(*state)
}

/// Adds it to the PDU that begins at `at`, the last of `out`.
pub fn add_congestion_state(state: u8, at: usize, out: &mut Vec<u8>) {
    const LENGTH: usize = 4;
    let [high, low] = tag::CONGESTION_STATE.to_be_bytes();
    out.extend_from_slice(&[high, low, 0, 1, state]);
    let len = (out.len() - at) as u32;
    out[at..at + LENGTH].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::command::{CommandStatus, SequenceNumber};
    use crate::smpp::frame::Frame;
    use crate::smpp::pdu;

    #[test]
    fn what_is_added_stands_behind_the_last_answer() {
        let mut out = Vec::new();
        pdu::write_submit_sm_resp(CommandStatus::ROK, SequenceNumber(1), b"first", &mut out);
        let at = out.len();
        pdu::write_submit_sm_resp(CommandStatus::ROK, SequenceNumber(2), b"second", &mut out);
        add_congestion_state(85, at, &mut out);
        let first = Frame::cut(&out, 1 << 10).unwrap().unwrap();
        assert_eq!((first.len(), first.body), (at, &b"first\0"[..]));
        let second = Frame::cut(&out[at..], 1 << 10).unwrap().unwrap();
        assert_eq!((second.len(), pdu::submit_sm_resp_id(second.body)), (out.len() - at, &b"second"[..]));
        assert_eq!(congestion_state(&second.body[7..]), Some(85));
    }

    #[test]
    fn a_congestion_state_is_one_octet_of_a_hundred() {
        assert_eq!(congestion_state(&[0x04, 0x28, 0, 1, 95]), Some(95));
        assert_eq!(congestion_state(&[0x14, 0, 0, 1, 1, 0x04, 0x28, 0, 1, 0]), Some(0));
        for wrong in [&[][..], &[0x04, 0x28, 0, 1], &[0x04, 0x28, 0, 1, 101], &[0x04, 0x28, 0, 2, 0, 90]] {
            assert_eq!(congestion_state(wrong), None, "{wrong:?}");
        }
    }
}
