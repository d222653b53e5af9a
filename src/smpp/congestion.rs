//! What a carrier says of its own load (SMPP 5.0, section 4.8.4.18).

use super::view::{Tlvs, tag};

/// What a response says of the carrier's load: 0..=100. `None` when it says nothing, or something else.
#[must_use]
pub fn congestion_state(optional: &[u8]) -> Option<u8> {
    let tlv = Tlvs::of(optional).find(|tlv| tlv.tag == tag::CONGESTION_STATE)?;
    let [state] = tlv.value else { return None };
    (*state <= 100).then_some(*state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_congestion_state_is_one_octet_of_a_hundred() {
        assert_eq!(congestion_state(&[0x04, 0x28, 0, 1, 95]), Some(95));
        assert_eq!(congestion_state(&[0x14, 0, 0, 1, 1, 0x04, 0x28, 0, 1, 0]), Some(0));
        for wrong in [&[][..], &[0x04, 0x28, 0, 1], &[0x04, 0x28, 0, 1, 101], &[0x04, 0x28, 0, 2, 0, 90]] {
            assert_eq!(congestion_state(wrong), None, "{wrong:?}");
        }
    }
}
