//! Message ids: ours, given to ESMEs, and the carriers', in whatever form each carrier writes them.

/// How our message_id is written for an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageIdFormat {
    /// 16 lower-case hex digits.
    Hex,
    /// Decimal digits without leading zeros.
    Decimal,
}

/// How a carrier writes its ids in one kind of PDU.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CarrierIdFormat {
    /// Compared octet by octet.
    AsIs,
    Hex,
    Decimal,
}
