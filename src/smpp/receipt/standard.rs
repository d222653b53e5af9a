//! Receipts written by us, as the specification's example has them (SMPP 3.4, appendix B): of messages that never left, of
//! messages whose parts are told of together, and of carriers whose own texts a customer does not want to read.

use super::details::{civil, days};
use super::state::MessageState;
use crate::smpp::time::SmppTime;
use crate::smpp::view::{Address, esm_class, tag};

/// A receipt as a whole.
#[derive(Clone, Copy, Debug)]
pub struct StandardReceipt<'a> {
    /// Whom the message went to.
    pub source: Address<'a>,
    /// Who sent it.
    pub destination: Address<'a>,
    /// Another receipt follows.
    pub is_intermediate: bool,
    pub says: StandardText<'a>,
    /// More TLVs as they stand on the wire; id and state are there without.
    pub tlvs: &'a [u8],
}

/// The values of its text.
#[derive(Clone, Copy, Debug)]
pub struct StandardText<'a> {
    pub id: &'a [u8],
    /// How many parts the message has, and how many of them were delivered.
    pub parts: u8,
    pub delivered: u8,
    /// YYMMDDhhmm
    pub submit_date: &'a [u8; 10],
    pub done_date: &'a [u8; 10],
    pub state: MessageState,
    pub error: u32,
    /// The message's text, of which a receipt repeats the first 20 octets.
    pub text: &'a [u8],
}

/// Appends the body of a deliver_sm.
pub fn write_body(receipt: &StandardReceipt<'_>, out: &mut Vec<u8>) {
    out.push(0);
    for address in [receipt.source, receipt.destination] {
        out.extend_from_slice(&[address.ton, address.npi]);
        out.extend_from_slice(address.digits);
        out.push(0);
    }
    let kind = if receipt.is_intermediate { esm_class::INTERMEDIATE } else { esm_class::RECEIPT };
    // No protocol_id, priority or times; no receipt of the receipt, nothing replaced, the default alphabet.
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0, 0]);
    let length_at = out.len();
    out.push(0);
    write_standard(&receipt.says, out);
    out.truncate(length_at + 1 + usize::from(u8::MAX - 1));
    out[length_at] = (out.len() - length_at - 1) as u8;
    let id = [receipt.says.id, &[0]].concat();
    let state = [receipt.says.state.number()];
    for (tag, value) in [(tag::RECEIPTED_MESSAGE_ID, &id[..]), (tag::MESSAGE_STATE, &state)] {
        out.extend_from_slice(&tag.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }
    out.extend_from_slice(receipt.tlvs);
}

/// Appends the text alone.
pub fn write_standard(receipt: &StandardText<'_>, out: &mut Vec<u8>) {
    const REPEATED: usize = 20;
    let pieces: [&[u8]; 16] = [
        b"id:",
        receipt.id,
        b" sub:",
        &three_digits(u32::from(receipt.parts)),
        b" dlvrd:",
        &three_digits(u32::from(receipt.delivered)),
        b" submit date:",
        receipt.submit_date,
        b" done date:",
        receipt.done_date,
        b" stat:",
        receipt.state.name().as_bytes(),
        b" err:",
        &three_digits(receipt.error),
        b" text:",
        &receipt.text[..receipt.text.len().min(REPEATED)],
    ];
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

/// The fields are three digits wide; what needs more is the highest they hold.
fn three_digits(number: u32) -> [u8; 3] {
    let number = number.min(999);
    [100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8)
}

/// A receipt's date of this Unix time, in UTC.
#[must_use]
pub fn date_of(unix_seconds: i64) -> [u8; 10] {
    let minutes = unix_seconds.div_euclid(60);
    let (year, month, day) = civil(days(1970, 1, 1) + minutes.div_euclid(24 * 60));
    let (hour, minute) = (minutes.div_euclid(60).rem_euclid(24), minutes.rem_euclid(60));
    let mut date = [0; 10];
    for (digits, part) in date.chunks_exact_mut(2).zip([year.rem_euclid(100), month, day, hour, minute]) {
        digits.copy_from_slice(&[b'0' + (part / 10) as u8, b'0' + (part % 10) as u8]);
    }
    date
}

/// A date as a carrier wrote it, in ten digits: with or without seconds, with the century, or as SMPP writes times. `None` when it
/// is none of these.
#[must_use]
pub fn date_read(written: &[u8]) -> Option<[u8; 10]> {
    let ten = |digits: &[u8]| -> Option<[u8; 10]> {
        let ten = *digits.first_chunk::<10>()?;
        digits.iter().all(u8::is_ascii_digit).then_some(ten)
    };
    match (written.len(), written) {
        (10 | 12, _) => ten(written),
        (14, [b'2', b'0', rest @ ..]) => ten(rest),
        (16, _) => match SmppTime::parse(written)? {
            SmppTime::At(seconds) => Some(date_of(seconds)),
            SmppTime::In(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smpp::receipt::{details, read};
    use crate::smpp::view::SmView;

    fn text(error: u32) -> StandardText<'static> {
        StandardText {
            id: b"0123456789",
            parts: 3,
            delivered: 2,
            submit_date: b"2611151404",
            done_date: b"2611151405",
            state: MessageState::Undeliverable,
            error,
            text: b"a text of more than twenty octets",
        }
    }

    #[test]
    fn a_text_is_what_the_specification_shows() {
        let mut out = Vec::new();
        write_standard(&text(42), &mut out);
        let expected = "id:0123456789 sub:003 dlvrd:002 submit date:2611151404 done date:2611151405 stat:UNDELIV err:042 text:a text of more than ";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        write_standard(&text(70_000), &mut out);
        assert!(String::from_utf8(out).unwrap().contains("err:999 text:"));
    }

    #[test]
    fn a_date_is_told_in_utc() {
        // date -u -d @1795437296 +%y%m%d%H%M
        assert_eq!(&date_of(1_795_437_296), b"2611231234");
        assert_eq!(&date_of(0), b"7001010000");
        assert_eq!(&date_of(1_709_251_199), b"2402292359");
        assert_eq!(&date_of(4_294_967_295), b"0602070628");
    }

    #[test]
    fn dates_are_read_however_many_digits_carriers_give_them() {
        for written in ["2611231234", "261123123456", "20261123123456", "261123123456000+", "261123133456904+"] {
            assert_eq!(date_read(written.as_bytes()).as_ref(), Some(b"2611231234"), "{written}");
        }
        for written in ["", "26112312", "2611231x34", "2026-11-23", "19261123123456", "000000000030000R"] {
            assert_eq!(date_read(written.as_bytes()), None, "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            (id, digits, sender) in ("[0-9a-f]{1,20}", "[0-9]{0,20}", "[A-Za-z0-9]{0,20}"),
            (parts, delivered, error) in (any::<u8>(), any::<u8>(), 0u32..1_000),
            (submitted, done) in (0i64..4_000_000_000, 0i64..4_000_000_000),
            (number, is_intermediate) in (1u8..=8, any::<bool>()),
            message in prop::collection::vec(any::<u8>(), 0..40),
            has_tlv in any::<bool>(),
        ) {
            let state = MessageState::from_number(number).unwrap();
            let (submit_date, done_date) = (date_of(submitted), date_of(done));
            let tlvs: &[u8] = if has_tlv { &[0x04, 0x23, 0, 3, 3, 1, 2] } else { &[] };
            let receipt = StandardReceipt {
                source: Address { ton: 1, npi: 1, digits: digits.as_bytes() },
                destination: Address { ton: 5, npi: 0, digits: sender.as_bytes() },
                is_intermediate,
                says: StandardText {
                    id: id.as_bytes(),
                    parts,
                    delivered,
                    submit_date: &submit_date,
                    done_date: &done_date,
                    state,
                    error,
                    text: &message,
                },
                tlvs,
            };
            let mut body = Vec::new();
            write_body(&receipt, &mut body);

            let view = SmView::deliver(&body).unwrap();
            prop_assert_eq!((view.source, view.destination), (receipt.source, receipt.destination));
            prop_assert_eq!((view.data_coding, view.tlvs().count()), (0, 2 + usize::from(has_tlv)));
            let read = read(&view).unwrap();
            prop_assert_eq!((read.ids, read.state, read.state_known), ([Some(id.as_bytes()), None], state, true));
            let said = details(&view);
            prop_assert_eq!((said.submit_date, said.done_date), (Some(&submit_date[..]), Some(&done_date[..])));
            prop_assert_eq!(said.error_number(), Some(error));
            let three = |number: u8| format!("{number:03}").into_bytes();
            prop_assert_eq!((said.parts, said.delivered), (Some(&three(parts)[..]), Some(&three(delivered)[..])));
            prop_assert_eq!(said.text, Some(&message[..message.len().min(20)]));
            prop_assert_eq!(said.network_error, has_tlv.then_some((3, 258)));
        }
    }
}
