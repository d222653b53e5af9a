//! Why submits and binds are refused, in our words; and the one place where these become the ESME's.

use crate::metrics::{BindRefusal, RefusedReason};
use crate::smpp::command::CommandStatus;

/// Why we refuse a submit, in our words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubmitError {
    NoRoute,
    NoCarrierBound,
    OverRate,
    /// The account's window had no room for it in time.
    WindowFull,
    /// The account's segments of this day or month are used up.
    OverQuota,
    /// Those for its destination are, for a while.
    OverCap,
    QueueFull,
    /// It waited too long to be sent in time: of its deadline, or of its validity.
    Expired,
    SenderNotAllowed,
    DestinationNotAllowed,
    /// Nothing is sent to this number.
    OptedOut,
    /// We keep no distribution lists.
    DistributionList,
    /// Its validity was over when it came.
    ValidityOver,
    /// An ESME may not send receipts.
    ReceiptFromEsme,
    WrongBindMode,
    SubmitsDisabled,
    Draining,
    /// No numbers for message ids are left for the moment.
    NoIds,
    /// The journal has no room for what would have to be remembered.
    StoreFull,
    Malformed(CommandStatus),
    /// The session ended before anything was sent.
    Withdrawn,
}

impl SubmitError {
    /// Whether the ESME wrote nonsense, which costs its session something; limits and policies never do.
    #[must_use]
    pub fn is_malformed(self) -> bool {
        matches!(self, Self::Malformed(_) | Self::WrongBindMode | Self::ReceiptFromEsme)
    }
}

/// The only place where our words become the ESME's: passing causes get statuses that customers retry.
impl From<SubmitError> for CommandStatus {
    fn from(error: SubmitError) -> Self {
        match error {
            // Of no use to try again, and the number is best struck off the customer's lists.
            SubmitError::NoRoute | SubmitError::DestinationNotAllowed | SubmitError::OptedOut => Self::RINVDSTADR,
            SubmitError::NoCarrierBound | SubmitError::Draining | SubmitError::NoIds | SubmitError::Withdrawn => {
                Self::RSYSERR
            }
            SubmitError::DistributionList => Self::RCNTSUBDL,
            SubmitError::OverRate | SubmitError::WindowFull | SubmitError::Expired => Self::RTHROTTLED,
            SubmitError::QueueFull | SubmitError::StoreFull | SubmitError::OverQuota => Self::RMSGQFUL,
            SubmitError::SenderNotAllowed => Self::RINVSRCADR,
            SubmitError::ValidityOver => Self::RINVEXPIRY,
            SubmitError::ReceiptFromEsme => Self::RINVESMCLASS,
            SubmitError::WrongBindMode => Self::RINVBNDSTS,
            // A cap is there to stop what would only be tried again with RTHROTTLED; and with RINVDSTADR a good number would be
            // struck off.
            SubmitError::SubmitsDisabled | SubmitError::OverCap => Self::RSUBMITFAIL,
            SubmitError::Malformed(status) => status,
        }
    }
}

impl From<SubmitError> for RefusedReason {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NoRoute => Self::NoRoute,
            SubmitError::DestinationNotAllowed | SubmitError::DistributionList => Self::Destination,
            SubmitError::NoCarrierBound => Self::CarrierDown,
            SubmitError::OverRate => Self::Throttled,
            SubmitError::WindowFull => Self::Window,
            SubmitError::OverQuota => Self::Quota,
            SubmitError::OverCap => Self::Cap,
            SubmitError::OptedOut => Self::OptedOut,
            SubmitError::Expired | SubmitError::ValidityOver => Self::Expired,
            SubmitError::QueueFull => Self::QueueFull,
            SubmitError::NoIds | SubmitError::StoreFull => Self::StoreFull,
            SubmitError::SenderNotAllowed => Self::Sender,
            SubmitError::ReceiptFromEsme | SubmitError::Malformed(_) => Self::Malformed,
            SubmitError::WrongBindMode | SubmitError::SubmitsDisabled => Self::NotAllowed,
            SubmitError::Draining | SubmitError::Withdrawn => Self::Draining,
        }
    }
}

/// The only place where a refused bind gets its status. Unknown system_id and wrong password look the same.
impl From<BindRefusal> for CommandStatus {
    fn from(why: BindRefusal) -> Self {
        match why {
            BindRefusal::Account | BindRefusal::Password => Self::RINVPASWD,
            BindRefusal::Disabled
            | BindRefusal::Address
            | BindRefusal::Tls
            | BindRefusal::Certificate
            | BindRefusal::Mode
            | BindRefusal::TooManyBinds
            | BindRefusal::Banned => Self::RBINDFAIL,
            BindRefusal::Unavailable => Self::RSYSERR,
        }
    }
}
