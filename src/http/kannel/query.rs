//! CGI variables as smsbox reads them: `+` is a space, `%41` an octet, and what is no escape stays as it is. A text of any
//! octets comes through, whatever its charset; of a name that comes twice the first counts.

/// Names and values, in their order.
pub type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// The variables of a query or a form, in their order.
#[must_use]
pub fn variables(query: &[u8]) -> Variables {
    let split = |pair: &[u8]| {
        let (name, value) = match pair.iter().position(|octet| *octet == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        (decode(name), decode(value))
    };
    query.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty()).map(split).collect()
}

/// What was percent-encoded. A `%` with less than two octets behind it ends the value; one that two hex digits do not follow stays,
/// and the two octets with it.
#[must_use]
pub fn decode(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, behind @ ..]) => {
                match (hex_digit(*high), hex_digit(*low)) {
                    (Some(high), Some(low)) => out.push(high << 4 | low),
                    _ => out.extend_from_slice(&[b'%', *high, *low]),
                }
                rest = behind;
            }
            (b'%', _) => break,
            _ => out.push(*first),
        }
    }
    out
}

/// Octets written as hex digits; `None` when they are something else, or a digit is missing.
#[must_use]
pub fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let octet = |[high, low]: &[u8; 2]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?);
    if odd.is_empty() { pairs.iter().map(octet).collect() } else { None }
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `octets` as pairs of hex digits.
pub fn write_hex(octets: &[u8], out: &mut Vec<u8>) {
    out.extend(octets.iter().flat_map(|octet| [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]));
}

/// Appends `octets` percent-encoded, as smsbox does it.
pub fn encode(octets: &[u8], out: &mut Vec<u8>) {
    for &octet in octets {
        match octet {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => out.push(octet),
            _ if octet.is_ascii_alphanumeric() => out.push(octet),
            _ => {
                out.push(b'%');
                write_hex(&[octet], out);
            }
        }
    }
}

/// The whole number that a value begins with: blanks before it and anything behind it do not count.
#[must_use]
pub fn leading_number(value: &[u8]) -> Option<i64> {
    let value = value.trim_ascii_start();
    let (is_negative, digits) = match value {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, value),
    };
    let digits = digits.iter().take_while(|digit| digit.is_ascii_digit());
    let number = digits.fold(None, |number: Option<i64>, digit| {
        Some(number.unwrap_or(0).saturating_mul(10).saturating_add(i64::from(digit - b'0')))
    })?;
    Some(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_as_smsbox_decodes_them() {
        for (encoded, decoded) in [
            ("", &b""[..]),
            ("hello", b"hello"),
            ("Hello+world%21", b"Hello world!"),
            ("%00%ff%FF%0d%0A", b"\0\xFF\xFF\r\n"),
            ("100%", b"100"),
            ("100%4", b"100"),
            ("x%zz%41", b"x%zzA"),
            ("%g%41", b"%g%41"),
            ("%%41", b"%%41"),
            ("%2B%25d", b"+%d"),
            ("caf\u{e9}", "caf\u{e9}".as_bytes()),
        ] {
            assert_eq!(decode(encoded.as_bytes()), decoded, "{encoded}");
        }
    }

    #[test]
    fn a_query_is_pairs_in_their_order() {
        let read = |query: &str| {
            let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
            variables(query.as_bytes()).into_iter().map(|(name, value)| (text(name), text(value))).collect::<Vec<_>>()
        };
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(read(""), pairs(&[]));
        assert_eq!(read("a=1&b=2"), pairs(&[("a", "1"), ("b", "2")]));
        assert_eq!(read("a=1=2&&b&=x&"), pairs(&[("a", "1=2"), ("b", ""), ("", "x")]));
        assert_eq!(read("dlr%2Dmask=3&a+b=%26%3D"), pairs(&[("dlr-mask", "3"), ("a b", "&=")]));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let every: Vec<u8> = (0..=255).collect();
        let mut encoded = Vec::new();
        encode(&every, &mut encoded);
        assert_eq!(decode(&encoded), every);
        let mut text = Vec::new();
        encode("a b+c/~(\u{20ac})".as_bytes(), &mut text);
        assert_eq!(text, b"a+b%2Bc%2F~(%E2%82%AC)");
    }

    #[test]
    fn hex_digits_are_octets_in_pairs() {
        assert_eq!(from_hex(b"0605041582fF"), Some(vec![6, 5, 4, 0x15, 0x82, 0xFF]));
        let mut digits = Vec::new();
        write_hex(&[0x06, 0xFF, 0x00], &mut digits);
        assert_eq!(digits, b"06FF00");
        assert_eq!(from_hex(b""), Some(vec![]));
        assert_eq!((from_hex(b"060"), from_hex(b"0g"), from_hex(b"%06")), (None, None, None));
    }

    #[test]
    fn a_number_is_what_a_value_begins_with() {
        for (value, number) in [
            ("", None),
            ("abc", None),
            ("-", None),
            ("31", Some(31)),
            (" +7 apples", Some(7)),
            ("-1", Some(-1)),
            ("007x", Some(7)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(-i64::MAX)),
        ] {
            assert_eq!(leading_number(value.as_bytes()), number, "{value}");
        }
    }
}
