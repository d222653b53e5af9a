//! Message ids: ours, given to ESMEs, and the carriers', in whatever form each carrier writes them.

use std::fmt;

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

/// Ours: 63 bits, so that peers that read it into a signed integer read the same number.
///
/// One below 2^32 is a *short id*, given to sessions of SMPP 3.3 alone, whose message_id has room for eight digits. It is written
/// as eight hex digits whatever the account's format: the decimal digits would not fit. No other id is ever so small.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MessageId(u64);

impl MessageId {
    const MASK: u64 = u64::MAX >> 1;
    /// Bits below the node's.
    const PERMUTED_BITS: u32 = 53;
    /// The first that is no short id.
    const FIRST_LONG: u64 = 1 << 32;
    const SHORT_DIGITS: usize = 8;

    /// The low 63 bits of `bits`.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits & Self::MASK)
    }

    /// The node in the top 10 of 63 bits, a permuted counter below. No two nodes make the same id.
    #[must_use]
    pub const fn compose(node: u16, permuted: u64) -> Self {
        let low = permuted & ((1 << Self::PERMUTED_BITS) - 1);
        Self::new((node as u64) << Self::PERMUTED_BITS | low)
    }

    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// A short id. It has no room for the node.
    #[must_use]
    pub const fn short(permuted: u32) -> Self {
        Self(permuted as u64)
    }

    #[must_use]
    pub const fn is_short(self) -> bool {
        self.0 < Self::FIRST_LONG
    }

    #[must_use]
    pub fn text(self, format: MessageIdFormat) -> MessageIdText {
        match format {
            _ if self.is_short() => MessageIdText::short(self.0 as u32),
            MessageIdFormat::Hex => MessageIdText::hex(self.0),
            MessageIdFormat::Decimal => MessageIdText::decimal(self.0),
        }
    }

    /// Reads what `text` wrote. Lost or added leading zeros and the case of hex digits are forgiven:
    /// ESMEs keep our ids in columns of numbers.
    #[must_use]
    pub fn parse(text: &[u8], format: MessageIdFormat) -> Option<Self> {
        let number = match format {
            MessageIdFormat::Hex => hex_number(text)?,
            // No other id of ours is written in so few digits.
            MessageIdFormat::Decimal if without_zeros(text).len() <= Self::SHORT_DIGITS => hex_number(text)?,
            MessageIdFormat::Decimal => {
                decimal_number(text).filter(|number| *number >= u128::from(Self::FIRST_LONG))?
            }
        };
        u64::try_from(number).ok().filter(|bits| *bits <= Self::MASK).map(Self)
    }
}

/// Digits of a `MessageId`, in place.
#[derive(Clone, Copy)]
pub struct MessageIdText {
    digits: [u8; 20],
    len: u8,
}

impl MessageIdText {
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }

    fn hex(bits: u64) -> Self {
        let mut digits = [0; 20];
        digits[..8].copy_from_slice(&hex_digits((bits >> 32) as u32));
        digits[8..16].copy_from_slice(&hex_digits(bits as u32));
        Self { digits, len: 16 }
    }

    fn short(bits: u32) -> Self {
        let mut digits = [0; 20];
        digits[..8].copy_from_slice(&hex_digits(bits));
        Self { digits, len: 8 }
    }

    fn decimal(bits: u64) -> Self {
        let mut backwards = [0; 20];
        let (mut left, mut at) = (bits, backwards.len());
        loop {
            at -= 1;
            backwards[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        let mut digits = [0; 20];
        let len = backwards.len() - at;
        digits[..len].copy_from_slice(&backwards[at..]);
        Self { digits, len: len as u8 }
    }
}

impl fmt::Display for MessageIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|digit| fmt::Write::write_char(f, char::from(*digit)))
    }
}

impl fmt::Debug for MessageIdText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Eight hex digits at once: each nibble gets an octet of its own, then the letters are lifted over the gap
/// between `9` and `a`.
fn hex_digits(bits: u32) -> [u8; 8] {
    let mut nibbles = u64::from(bits);
    nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF;
    nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF;
    nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let gap = u64::from(b'a' - b'0' - 10);
    (nibbles + 0x3030_3030_3030_3030 + letters * gap).to_be_bytes()
}

/// A carrier's id in the form it is compared by.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NormalizedId<'a> {
    Number(u128),
    Verbatim(&'a [u8]),
}

/// Carriers disagree on how to write one id: hex in `submit_sm_resp`, decimal in the receipt, either one zero-padded.
/// What is no number (a UUID, say) is compared as it came.
#[must_use]
pub fn normalize(id: &[u8], format: CarrierIdFormat) -> NormalizedId<'_> {
    let number = match format {
        CarrierIdFormat::AsIs => None,
        CarrierIdFormat::Hex => hex_number(without_prefix(trim(id))),
        CarrierIdFormat::Decimal => decimal_number(trim(id)),
    };
    number.map_or(NormalizedId::Verbatim(id), NormalizedId::Number)
}

fn without_zeros(mut digits: &[u8]) -> &[u8] {
    while let [b'0', rest @ ..] = digits {
        digits = rest;
    }
    digits
}

fn trim(mut id: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = id {
        id = rest;
    }
    id
}

fn without_prefix(id: &[u8]) -> &[u8] {
    match id {
        [b'0', b'x' | b'X', digits @ ..] => digits,
        _ => id,
    }
}

fn hex_number(digits: &[u8]) -> Option<u128> {
    number(digits, 16, |digit| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    })
}

fn decimal_number(digits: &[u8]) -> Option<u128> {
    number(digits, 10, |digit| digit.is_ascii_digit().then(|| digit - b'0'))
}

#[inline]
fn number(digits: &[u8], base: u64, value: impl Fn(u8) -> Option<u8>) -> Option<u128> {
    // In any base up to 16, this many digits fit 64 bits.
    const SHORT: usize = 16;
    if digits.is_empty() {
        return None;
    }
    let (head, tail) = digits.split_at(digits.len().min(SHORT));
    let mut short = 0;
    for digit in head {
        short = short * base + u64::from(value(*digit)?);
    }
    tail.iter().try_fold(u128::from(short), |number, digit| {
        number.checked_mul(u128::from(base))?.checked_add(u128::from(value(*digit)?))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NormalizedId::{Number, Verbatim};
    use super::*;

    #[test]
    fn our_id_is_sixteen_lower_case_hex_digits_or_plain_decimal() {
        let id = MessageId::new(0x0123_4567_89AB_CDEF);
        assert_eq!(id.text(MessageIdFormat::Hex).to_string(), "0123456789abcdef");
        assert_eq!(id.text(MessageIdFormat::Decimal).to_string(), "81985529216486895");
        assert_eq!(MessageId::new(1 << 32).text(MessageIdFormat::Hex).as_bytes(), b"0000000100000000");
        assert_eq!(MessageId::new(1 << 32).text(MessageIdFormat::Decimal).as_bytes(), b"4294967296");
        assert_eq!(MessageId::new(u64::MAX).text(MessageIdFormat::Decimal).to_string(), i64::MAX.to_string());
    }

    #[test]
    fn a_short_id_is_eight_hex_digits_whatever_the_format() {
        for format in [MessageIdFormat::Hex, MessageIdFormat::Decimal] {
            for (number, text) in
                [(0, "00000000"), (0x12, "00000012"), (0x0890_1234, "08901234"), (u32::MAX, "ffffffff")]
            {
                let id = MessageId::short(number);
                assert!(id.is_short());
                assert_eq!(id.text(format).to_string(), text);
                assert_eq!(MessageId::parse(text.as_bytes(), format), Some(id));
            }
            // As a column of numbers keeps it.
            assert_eq!(MessageId::parse(b"12", format), Some(MessageId::short(0x12)));
            assert_eq!(MessageId::parse(b"000000000012", format), Some(MessageId::short(0x12)));
        }
        for text in ["123456789", "4294967295", "00004294967295"] {
            assert_eq!(MessageId::parse(text.as_bytes(), MessageIdFormat::Decimal), None, "{text} was never issued");
        }
        assert_eq!(MessageId::parse(b"4294967296", MessageIdFormat::Decimal), Some(MessageId::new(1 << 32)));
    }

    #[test]
    fn a_node_has_ids_of_its_own() {
        assert_eq!(MessageId::compose(0, 7).bits(), 7);
        assert_eq!(MessageId::compose(1, 0).bits(), 1 << 53);
        assert_eq!(MessageId::compose(1023, u64::MAX).bits(), u64::MAX >> 1);
    }

    #[test]
    fn what_is_no_id_of_ours_is_refused() {
        for text in ["", "0x12", " 12", "8000000000000000", "00000000-0000", "ffffffffffffffffffffffffffffffffff"] {
            assert_eq!(MessageId::parse(text.as_bytes(), MessageIdFormat::Hex), None, "{text}");
        }
        for text in ["", "-1", "9223372036854775808", "1f1f1f1f1f"] {
            assert_eq!(MessageId::parse(text.as_bytes(), MessageIdFormat::Decimal), None, "{text}");
        }
    }

    #[test]
    fn a_carriers_id_is_compared_by_its_number_whatever_its_spelling() {
        let hex: [&[u8]; 6] =
            [b"5B2F", b"5b2f", b"0x5b2f", b"0X00005B2F", b"  5b2F ", b"0000000000000000000000000000005b2f"];
        for id in hex {
            assert_eq!(normalize(id, CarrierIdFormat::Hex), Number(0x5B2F), "{id:?}");
        }
        let decimal: [&[u8]; 3] = [b"23343", b"0000023343", b" 23343  "];
        for id in decimal {
            assert_eq!(normalize(id, CarrierIdFormat::Decimal), Number(0x5B2F), "{id:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_compared_as_it_came() {
        let ids: [&[u8]; 7] = [
            b"",
            b"  ",
            b"0x",
            b"0f8fad5b-d9cb-469f-a165-70867728950e",
            b" id 7 ",
            b"1ffffffffffffffffffffffffffffffff",
            b"12\0",
        ];
        for id in ids {
            assert_eq!(normalize(id, CarrierIdFormat::Hex), Verbatim(id), "{id:?}");
        }
        let largest = b"340282366920938463463374607431768211455";
        assert_eq!(normalize(largest, CarrierIdFormat::Decimal), Number(u128::MAX));
        let over = b"340282366920938463463374607431768211456";
        assert_eq!(normalize(over, CarrierIdFormat::Decimal), Verbatim(over));
        assert_eq!(normalize(b"0012", CarrierIdFormat::AsIs), Verbatim(b"0012"));
    }

    proptest! {
        #[test]
        fn a_short_id_is_read_back_from_its_text(number: u32) {
            for format in [MessageIdFormat::Hex, MessageIdFormat::Decimal] {
                let text = MessageId::short(number).text(format);
                prop_assert_eq!(text.to_string(), format!("{number:08x}"));
                prop_assert_eq!(MessageId::parse(text.as_bytes(), format), Some(MessageId::short(number)));
            }
        }

        #[test]
        fn an_id_is_read_back_from_its_text(bits in (1u64 << 32)..) {
            let id = MessageId::new(bits);
            prop_assume!(!id.is_short());
            for format in [MessageIdFormat::Hex, MessageIdFormat::Decimal] {
                prop_assert_eq!(MessageId::parse(id.text(format).as_bytes(), format), Some(id));
            }
            prop_assert_eq!(id.text(MessageIdFormat::Hex).to_string(), format!("{:016x}", id.bits()));
            prop_assert_eq!(id.text(MessageIdFormat::Decimal).to_string(), id.bits().to_string());
        }

        #[test]
        fn hex_and_decimal_spellings_of_one_number_meet(number: u128, width in 0usize..60) {
            let (hex, decimal) = (format!("{number:0width$X}"), format!("{number:0width$}"));
            prop_assert_eq!(normalize(hex.as_bytes(), CarrierIdFormat::Hex), Number(number));
            prop_assert_eq!(normalize(decimal.as_bytes(), CarrierIdFormat::Decimal), Number(number));
        }
    }
}
