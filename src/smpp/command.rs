//! The numbers of SMPP: which command a PDU is, how it ended, and which request it belongs to.
//!
//! Each is a number with a name rather than a closed enum, because carriers send vendor commands and statuses
//! (0x400..=0x4FF) that must pass through as they came. Values are those of SMPP 3.4, sections 5.1.2 and 5.1.3.

use std::fmt;

/// The command of a PDU (SMPP 3.4, section 5.1.2.1). Bit 31 marks a response.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CommandId(pub u32);

impl CommandId {
    pub const GENERIC_NACK: Self = Self(0x8000_0000);
    pub const BIND_RECEIVER: Self = Self(0x0000_0001);
    pub const BIND_RECEIVER_RESP: Self = Self(0x8000_0001);
    pub const BIND_TRANSMITTER: Self = Self(0x0000_0002);
    pub const BIND_TRANSMITTER_RESP: Self = Self(0x8000_0002);
    pub const QUERY_SM: Self = Self(0x0000_0003);
    pub const QUERY_SM_RESP: Self = Self(0x8000_0003);
    pub const SUBMIT_SM: Self = Self(0x0000_0004);
    pub const SUBMIT_SM_RESP: Self = Self(0x8000_0004);
    pub const DELIVER_SM: Self = Self(0x0000_0005);
    pub const DELIVER_SM_RESP: Self = Self(0x8000_0005);
    pub const UNBIND: Self = Self(0x0000_0006);
    pub const UNBIND_RESP: Self = Self(0x8000_0006);
    pub const REPLACE_SM: Self = Self(0x0000_0007);
    pub const REPLACE_SM_RESP: Self = Self(0x8000_0007);
    pub const CANCEL_SM: Self = Self(0x0000_0008);
    pub const CANCEL_SM_RESP: Self = Self(0x8000_0008);
    pub const BIND_TRANSCEIVER: Self = Self(0x0000_0009);
    pub const BIND_TRANSCEIVER_RESP: Self = Self(0x8000_0009);
    pub const OUTBIND: Self = Self(0x0000_000B);
    pub const ENQUIRE_LINK: Self = Self(0x0000_0015);
    pub const ENQUIRE_LINK_RESP: Self = Self(0x8000_0015);
    pub const SUBMIT_MULTI: Self = Self(0x0000_0021);
    pub const SUBMIT_MULTI_RESP: Self = Self(0x8000_0021);
    pub const ALERT_NOTIFICATION: Self = Self(0x0000_0102);
    pub const DATA_SM: Self = Self(0x0000_0103);
    pub const DATA_SM_RESP: Self = Self(0x8000_0103);

    /// The specification's name; `None` for vendors' own.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::GENERIC_NACK => "generic_nack",
            Self::BIND_RECEIVER => "bind_receiver",
            Self::BIND_RECEIVER_RESP => "bind_receiver_resp",
            Self::BIND_TRANSMITTER => "bind_transmitter",
            Self::BIND_TRANSMITTER_RESP => "bind_transmitter_resp",
            Self::QUERY_SM => "query_sm",
            Self::QUERY_SM_RESP => "query_sm_resp",
            Self::SUBMIT_SM => "submit_sm",
            Self::SUBMIT_SM_RESP => "submit_sm_resp",
            Self::DELIVER_SM => "deliver_sm",
            Self::DELIVER_SM_RESP => "deliver_sm_resp",
            Self::UNBIND => "unbind",
            Self::UNBIND_RESP => "unbind_resp",
            Self::REPLACE_SM => "replace_sm",
            Self::REPLACE_SM_RESP => "replace_sm_resp",
            Self::CANCEL_SM => "cancel_sm",
            Self::CANCEL_SM_RESP => "cancel_sm_resp",
            Self::BIND_TRANSCEIVER => "bind_transceiver",
            Self::BIND_TRANSCEIVER_RESP => "bind_transceiver_resp",
            Self::OUTBIND => "outbind",
            Self::ENQUIRE_LINK => "enquire_link",
            Self::ENQUIRE_LINK_RESP => "enquire_link_resp",
            Self::SUBMIT_MULTI => "submit_multi",
            Self::SUBMIT_MULTI_RESP => "submit_multi_resp",
            Self::ALERT_NOTIFICATION => "alert_notification",
            Self::DATA_SM => "data_sm",
            Self::DATA_SM_RESP => "data_sm_resp",
            _ => return None,
        })
    }

    /// The command that answers this request.
    #[must_use]
    pub const fn response(self) -> Self {
        Self(self.0 | 0x8000_0000)
    }

    #[must_use]
    pub const fn is_response(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }
}

/// How a request ended (SMPP 3.4, section 5.1.3). Zero is success.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandStatus(pub u32);

/// Names every status once: the constant, and its spelling for people.
macro_rules! statuses {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl CommandStatus {
            $(pub const $name: Self = Self($value);)*

            /// The specification's name, where it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }

            /// The status of this name (`ESME_RTHROTTLED`), in any case, the prefix optional.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                let name = name.to_ascii_uppercase();
                let known = [$(($text, $value)),*];
                known
                    .iter()
                    .find(|(text, _)| *text == name || text.strip_prefix("ESME_") == Some(&name))
                    .map(|(_, value)| Self(*value))
            }
        }
    };
}

statuses! {
    ROK = 0x00, "ESME_ROK";
    RINVMSGLEN = 0x01, "ESME_RINVMSGLEN";
    RINVCMDLEN = 0x02, "ESME_RINVCMDLEN";
    RINVCMDID = 0x03, "ESME_RINVCMDID";
    RINVBNDSTS = 0x04, "ESME_RINVBNDSTS";
    RALYBND = 0x05, "ESME_RALYBND";
    RINVPRTFLG = 0x06, "ESME_RINVPRTFLG";
    RINVREGDLVFLG = 0x07, "ESME_RINVREGDLVFLG";
    RSYSERR = 0x08, "ESME_RSYSERR";
    RINVSRCADR = 0x0A, "ESME_RINVSRCADR";
    RINVDSTADR = 0x0B, "ESME_RINVDSTADR";
    RINVMSGID = 0x0C, "ESME_RINVMSGID";
    RBINDFAIL = 0x0D, "ESME_RBINDFAIL";
    RINVPASWD = 0x0E, "ESME_RINVPASWD";
    RINVSYSID = 0x0F, "ESME_RINVSYSID";
    RCANCELFAIL = 0x11, "ESME_RCANCELFAIL";
    RREPLACEFAIL = 0x13, "ESME_RREPLACEFAIL";
    RMSGQFUL = 0x14, "ESME_RMSGQFUL";
    RINVSERTYP = 0x15, "ESME_RINVSERTYP";
    RINVNUMDESTS = 0x33, "ESME_RINVNUMDESTS";
    RINVDLNAME = 0x34, "ESME_RINVDLNAME";
    RINVDESTFLAG = 0x40, "ESME_RINVDESTFLAG";
    RINVESMCLASS = 0x43, "ESME_RINVESMCLASS";
    RCNTSUBDL = 0x44, "ESME_RCNTSUBDL";
    RSUBMITFAIL = 0x45, "ESME_RSUBMITFAIL";
    RINVSRCTON = 0x48, "ESME_RINVSRCTON";
    RINVSRCNPI = 0x49, "ESME_RINVSRCNPI";
    RINVDSTTON = 0x50, "ESME_RINVDSTTON";
    RINVDSTNPI = 0x51, "ESME_RINVDSTNPI";
    RINVSYSTYP = 0x53, "ESME_RINVSYSTYP";
    RTHROTTLED = 0x58, "ESME_RTHROTTLED";
    RINVSCHED = 0x61, "ESME_RINVSCHED";
    RINVEXPIRY = 0x62, "ESME_RINVEXPIRY";
    RX_T_APPN = 0x64, "ESME_RX_T_APPN";
    RX_P_APPN = 0x65, "ESME_RX_P_APPN";
    RX_R_APPN = 0x66, "ESME_RX_R_APPN";
    RQUERYFAIL = 0x67, "ESME_RQUERYFAIL";
    RINVOPTPARSTREAM = 0xC0, "ESME_RINVOPTPARSTREAM";
    ROPTPARNOTALLWD = 0xC1, "ESME_ROPTPARNOTALLWD";
    RINVPARLEN = 0xC2, "ESME_RINVPARLEN";
    RMISSINGOPTPARAM = 0xC3, "ESME_RMISSINGOPTPARAM";
    RINVOPTPARAMVAL = 0xC4, "ESME_RINVOPTPARAMVAL";
    RDELIVERYFAILURE = 0xFE, "ESME_RDELIVERYFAILURE";
    RUNKNOWNERR = 0xFF, "ESME_RUNKNOWNERR";
}

impl CommandStatus {
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for CommandStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:02X})", self.0),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

/// Numbers our requests on one connection: 1 ..= 0x7FFF_FFFF, then 1 again (SMPP 3.4, section 5.1.4).
/// A peer's number is echoed as it came, whatever it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SequenceNumber(pub u32);

impl SequenceNumber {
    pub const FIRST: Self = Self(1);
    const LAST: Self = Self(0x7FFF_FFFF);

    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 >= Self::LAST.0 { Self::FIRST } else { Self(self.0 + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap_to_one_and_never_reach_the_response_bit() {
        assert_eq!(SequenceNumber::FIRST.next(), SequenceNumber(2));
        assert_eq!(SequenceNumber(0x7FFF_FFFF).next(), SequenceNumber::FIRST);
    }

    #[test]
    fn a_status_is_known_by_its_name_with_or_without_the_prefix() {
        assert_eq!(CommandStatus::from_name("rthrottled"), Some(CommandStatus::RTHROTTLED));
        assert_eq!(CommandStatus::from_name("ESME_RSYSERR"), Some(CommandStatus::RSYSERR));
        assert_eq!(CommandStatus::from_name("nonsense"), None);
        assert_eq!(CommandStatus(0x400).to_string(), "0x00000400");
        assert_eq!(CommandStatus::RTHROTTLED.to_string(), "ESME_RTHROTTLED (0x58)");
    }

    #[test]
    fn a_response_is_its_request_with_the_top_bit() {
        assert_eq!(CommandId::SUBMIT_SM.response(), CommandId::SUBMIT_SM_RESP);
        assert!(CommandId::GENERIC_NACK.is_response());
        assert!(!CommandId::ENQUIRE_LINK.is_response());
    }
}
