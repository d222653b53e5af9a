//! The `deliver_sm` PDUs of the simulator: receipts and mobile originated messages.
//!
//! Written here and not with the gateway's own receipt writer, so that neither hides a mistake of the other.

use std::str::FromStr;
use std::time::Duration;

use crate::smpp::command::{CommandId, CommandStatus, SequenceNumber};
use crate::smpp::frame::write_header;
use crate::smpp::view::{Address, SmView, esm_class, tag};

/// What became of a message (SMPP 3.4, sections 5.2.28 and appendix B).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Enroute,
    Delivered,
    Expired,
    Deleted,
    Undeliverable,
    Accepted,
    Unknown,
    Rejected,
}

const STATES: [(State, &str, u8); 8] = [
    (State::Enroute, "ENROUTE", 1),
    (State::Delivered, "DELIVRD", 2),
    (State::Expired, "EXPIRED", 3),
    (State::Deleted, "DELETED", 4),
    (State::Undeliverable, "UNDELIV", 5),
    (State::Accepted, "ACCEPTD", 6),
    (State::Unknown, "UNKNOWN", 7),
    (State::Rejected, "REJECTD", 8),
];

impl State {
    pub(super) fn text(self) -> &'static str {
        STATES[self as usize].1
    }

    pub(super) fn number(self) -> u8 {
        STATES[self as usize].2
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = STATES.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(state, _, _)| *state).ok_or_else(|| format!("`{text}` is no receipt state, such as DELIVRD"))
    }
}

/// Where a receipt carries the message id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum IdPlace {
    Text,
    Tlv,
    Both,
}

/// What carries a receipt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ReceiptCommand {
    DeliverSm,
    DataSm,
}

/// One receipt to be written.
pub(super) struct Receipt<'a> {
    pub(super) id: &'a [u8],
    pub(super) id_in: IdPlace,
    pub(super) state: State,
    pub(super) date: Date,
    pub(super) command: ReceiptCommand,
}

impl Receipt<'_> {
    /// Appends the receipt of this submit; its sequence number is filled in when it is sent.
    pub(super) fn write(&self, submit: &SmView<'_>, out: &mut Vec<u8>) {
        let is_final = self.state != State::Enroute;
        let kind = if is_final { esm_class::RECEIPT } else { esm_class::INTERMEDIATE };
        let at = begin(self.command, submit.destination, submit.source, kind, out);
        if self.id_in != IdPlace::Tlv {
            self.write_text_field(submit, out);
        } else if self.command == ReceiptCommand::DeliverSm {
            out.push(0);
        }
        if self.id_in != IdPlace::Text {
            write_tlv(tag::RECEIPTED_MESSAGE_ID, &[self.id, b"\0"], out);
            write_tlv(tag::MESSAGE_STATE, &[&[self.state.number()]], out);
        }
        finish(at, out);
    }

    /// The text as this command carries it: behind its length, or in a TLV.
    fn write_text_field(&self, submit: &SmView<'_>, out: &mut Vec<u8>) {
        if self.command == ReceiptCommand::DataSm {
            let mut text = Vec::new();
            self.write_text(submit, &mut text);
            return write_tlv(tag::MESSAGE_PAYLOAD, &[&text], out);
        }
        let length_at = out.len();
        out.push(0);
        self.write_text(submit, out);
        out[length_at] = u8::try_from(out.len() - length_at - 1).unwrap_or(u8::MAX);
    }

    fn write_text(&self, submit: &SmView<'_>, out: &mut Vec<u8>) {
        let (dlvrd, err): (&[u8], &[u8]) = match self.state {
            State::Delivered => (b"001", b"000"),
            State::Enroute | State::Accepted => (b"000", b"000"),
            State::Expired | State::Deleted | State::Undeliverable | State::Unknown | State::Rejected => {
                (b"000", b"001")
            }
        };
        out.extend_from_slice(b"id:");
        out.extend_from_slice(self.id);
        out.extend_from_slice(b" sub:001 dlvrd:");
        out.extend_from_slice(dlvrd);
        out.extend_from_slice(b" submit date:");
        out.extend_from_slice(&self.date.0);
        out.extend_from_slice(b" done date:");
        out.extend_from_slice(&self.date.0);
        out.extend_from_slice(b" stat:");
        out.extend_from_slice(self.state.text().as_bytes());
        out.extend_from_slice(b" err:");
        out.extend_from_slice(err);
        out.extend_from_slice(b" text:");
        if submit.data_coding == 0 {
            let text = submit.text_behind_header();
            out.extend_from_slice(&text[..text.len().min(20)]);
        }
    }
}

/// Appends a mobile originated message.
pub(super) fn write_mo(source: &str, destination: &str, text: &[u8], out: &mut Vec<u8>) {
    let address = |digits| Address { ton: 1, npi: 1, digits };
    let (source, destination) = (address(source.as_bytes()), address(destination.as_bytes()));
    let at = begin(ReceiptCommand::DeliverSm, source, destination, 0, out);
    let text = &text[..text.len().min(254)];
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text);
    finish(at, out);
}

/// Header and fields up to `sm_length`, or up to the TLVs; returns where the PDU begins.
fn begin(
    command: ReceiptCommand,
    source: Address<'_>,
    destination: Address<'_>,
    esm_class: u8,
    out: &mut Vec<u8>,
) -> usize {
    // For deliver_sm: protocol_id, priority, schedule, validity, registered_delivery, replace_if_present, data_coding and
    // default message behind the esm_class; for data_sm: registered_delivery and data_coding.
    let (id, behind) = match command {
        ReceiptCommand::DeliverSm => (CommandId::DELIVER_SM, &[0; 8][..]),
        ReceiptCommand::DataSm => (CommandId::DATA_SM, &[0; 2][..]),
    };
    let at = out.len();
    write_header(out, id, CommandStatus::ROK, SequenceNumber(0), 0);
    out.push(0);
    for address in [source, destination] {
        out.extend_from_slice(&[address.ton, address.npi]);
        out.extend_from_slice(address.digits);
        out.push(0);
    }
    out.push(esm_class);
    out.extend_from_slice(behind);
    at
}

pub(super) fn write_tlv(tag: u16, parts: &[&[u8]], out: &mut Vec<u8>) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Fills in the length of the PDU that begins at `at`.
pub(super) fn finish(at: usize, out: &mut [u8]) {
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// The minute as receipts write it: `YYMMDDhhmm`, in UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Date(pub(super) [u8; 10]);

impl Date {
    #[must_use]
    pub(super) fn at(since_epoch: Duration) -> Self {
        let minutes = since_epoch.as_secs() / 60;
        let (year, month, day) = civil(minutes / 1440);
        let parts = [year % 100, month, day, minutes / 60 % 24, minutes % 60];
        let mut text = [0; 10];
        for (at, part) in parts.into_iter().enumerate() {
            text[2 * at] = b'0' + (part / 10) as u8;
            text[2 * at + 1] = b'0' + (part % 10) as u8;
        }
        Self(text)
    }
}

/// Year, month and day of a day since 1970 (the algorithm of Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smpp::frame::Frame;

    fn submit_body() -> Vec<u8> {
        let mut body = b"\0\x05\0ACME\0\x01\x0144770090\0".to_vec();
        body.extend_from_slice(b"\0\0\0\0\0\x01\0\0\0\x05hello");
        body
    }

    fn receipt(id_in: IdPlace, state: State) -> Vec<u8> {
        let (body, mut out) = (submit_body(), Vec::new());
        let date = Date::at(Duration::from_secs(1_795_381_500));
        let command = ReceiptCommand::DeliverSm;
        Receipt { id: b"beef", id_in, state, date, command }.write(&SmView::submit(&body).unwrap(), &mut out);
        out
    }

    #[test]
    fn a_receipt_goes_back_from_the_handset_to_the_sender() {
        let pdu = receipt(IdPlace::Both, State::Delivered);
        let frame = Frame::cut(&pdu, 1_000).unwrap().unwrap();
        let view = SmView::deliver(frame.body).unwrap();
        assert_eq!(frame.len(), pdu.len());
        assert_eq!((view.source.digits, view.destination.digits), (&b"44770090"[..], &b"ACME"[..]));
        assert_eq!(view.esm_class, esm_class::RECEIPT);
        assert_eq!(view.tlv(tag::RECEIPTED_MESSAGE_ID), Some(&b"beef\0"[..]));
        assert_eq!(view.tlv(tag::MESSAGE_STATE), Some(&[2][..]));
        assert_eq!(
            std::str::from_utf8(view.text()).unwrap(),
            "id:beef sub:001 dlvrd:001 submit date:2611222105 done date:2611222105 stat:DELIVRD err:000 text:hello"
        );
    }

    #[test]
    fn the_id_stands_only_where_it_is_wanted() {
        let text_only = receipt(IdPlace::Text, State::Undeliverable);
        let view = SmView::deliver(&text_only[16..]).unwrap();
        assert_eq!(view.tlvs().count(), 0);
        assert!(view.text().windows(12).any(|window| window == b"stat:UNDELIV"));
        let tlv_only = receipt(IdPlace::Tlv, State::Enroute);
        let view = SmView::deliver(&tlv_only[16..]).unwrap();
        assert_eq!((view.text(), view.esm_class), (&b""[..], esm_class::INTERMEDIATE));
        assert_eq!(view.tlv(tag::MESSAGE_STATE), Some(&[1][..]));
    }

    #[test]
    fn as_a_data_sm_the_text_stands_in_a_tlv() {
        let (body, mut out) = (submit_body(), Vec::new());
        let (date, command) = (Date::at(Duration::ZERO), ReceiptCommand::DataSm);
        let receipt = Receipt { id: b"beef", id_in: IdPlace::Both, state: State::Delivered, date, command };
        receipt.write(&SmView::submit(&body).unwrap(), &mut out);
        let frame = Frame::cut(&out, 1_000).unwrap().unwrap();
        assert_eq!((frame.command, frame.len()), (CommandId::DATA_SM, out.len()));
        // Addresses, esm_class, registered_delivery, data_coding, and then message_payload (0x0424).
        let head = b"\0\x01\x0144770090\0\x05\0ACME\0\x04\0\0\x04\x24\0";
        assert_eq!(&frame.body[..head.len()], head);
        assert!(frame.body.windows(8).any(|window| window == b"id:beef "));
        assert!(frame.body.ends_with(b"\0\x1E\0\x05beef\0\x04\x27\0\x01\x02"));
    }

    #[test]
    fn dates_know_leap_years() {
        let day = |days: u64| Date::at(Duration::from_secs(days * 86_400)).0;
        assert_eq!(&day(0), b"7001010000");
        assert_eq!(&day(11_016), b"0002290000");
        assert_eq!(&day(11_017), b"0003010000");
        assert_eq!(&day(20_818), b"2612310000");
    }
}
