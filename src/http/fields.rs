//! The fields of a message and what each may be: the table that requests are read by and that the OpenAPI document shows.

/// Messages of one request.
pub(super) const MOST_MESSAGES: usize = 1000;
/// A number has so many digits, without its + or 00 (SMPP 3.4, section 4.4.1: 20 octets and a NUL).
pub(super) const LEAST_DIGITS: usize = 3;
pub(super) const MOST_DIGITS: usize = 20;
/// A sender that is a name (3GPP TS 23.040, section 9.1.2.5: eleven septets).
pub(super) const MOST_LETTERS: usize = 11;
/// 255 parts of 153 septets.
pub(super) const MOST_TEXT: usize = 255 * 153;
/// 255 parts of 134 octets.
pub(super) const MOST_OCTETS: usize = 255 * 134;
/// A user data header leaves room for one octet at least.
pub(super) const MOST_UDH: usize = 139;
pub(super) const MOST_CLASS: u64 = 3;
pub(super) const MOST_PRIORITY: u64 = 3;
pub(super) const MOST_REFERENCE: usize = 255;
pub(super) const MOST_URL: usize = 2048;
pub(super) const MOST_KEY: usize = 255;
/// Days that a message may be valid for, or scheduled ahead: more cannot be said in SMPP's relative time.
pub(super) const MOST_DAYS: u64 = 31;

pub(super) const ENCODINGS: [&str; 3] = ["auto", "gsm", "ucs2"];
pub(super) const CONCATENATIONS: [&str; 2] = ["8bit", "16bit"];

macro_rules! fields {
    ($($field:ident = $name:literal, $expected:expr;)*) => {
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) enum Field {
            $($field,)*
        }

        impl Field {
            pub(super) const ALL: &[Self] = &[$(Self::$field,)*];

            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$field),)*
                    _ => None,
                }
            }

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }

            /// What it must be.
            pub(super) const fn expected(self) -> &'static str {
                match self {
                    $(Self::$field => $expected,)*
                }
            }
        }
    };
}

fields! {
    To = "to", "a number of 3 to 20 digits, with or without a + or 00 in front";
    From = "from", "a number of 1 to 20 digits, with or without a + or 00 in front, or a name of 1 to 11 printable ASCII characters";
    Text = "text", "a text of 1 to 39015 characters, none of them U+0000";
    Hex = "hex", "1 to 34170 octets, as pairs of hex digits";
    Base64 = "base64", "1 to 34170 octets in padded base64";
    Udh = "udh", "a user data header of 1 to 139 octets, its length in front, as pairs of hex digits";
    Encoding = "encoding", "auto, gsm or ucs2";
    Concatenation = "concatenation", "8bit or 16bit";
    Class = "class", "a whole number from 0 to 3";
    Receipt = "receipt", "true or false";
    Callback = "callback", "a URL of at most 2048 characters, such as https://example.com/sms";
    Reference = "reference", "a text of 1 to 255 characters, none of them U+0000";
    Validity = "validity", "a number of seconds, or a text such as 90s, 30m, 24h or 2d; at least one second, and at most 31 days";
    Priority = "priority", "a whole number from 0 to 3";
    Schedule = "schedule", "a time such as 2026-11-23T12:00:00Z (RFC 3339), to come within 31 days";
    DryRun = "dry_run", "true or false";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_says_the_limits_that_hold() {
        let limits: [(Field, &[usize]); 11] = [
            (Field::To, &[LEAST_DIGITS, MOST_DIGITS]),
            (Field::From, &[MOST_DIGITS, MOST_LETTERS]),
            (Field::Text, &[MOST_TEXT]),
            (Field::Hex, &[MOST_OCTETS]),
            (Field::Base64, &[MOST_OCTETS]),
            (Field::Udh, &[MOST_UDH]),
            (Field::Class, &[MOST_CLASS as usize]),
            (Field::Callback, &[MOST_URL]),
            (Field::Reference, &[MOST_REFERENCE]),
            (Field::Validity, &[MOST_DAYS as usize]),
            (Field::Priority, &[MOST_PRIORITY as usize]),
        ];
        for (field, limits) in limits {
            for limit in limits {
                assert!(field.expected().contains(&format!("{limit}")), "{}: {limit}", field.name());
            }
        }
        assert!(Field::Schedule.expected().contains(&MOST_DAYS.to_string()));
        assert!(ENCODINGS.iter().all(|word| Field::Encoding.expected().contains(word)));
        assert!(CONCATENATIONS.iter().all(|word| Field::Concatenation.expected().contains(word)));
    }

    #[test]
    fn a_field_is_known_by_its_name() {
        for field in Field::ALL {
            assert_eq!(Field::of(field.name()), Some(*field));
        }
        assert_eq!((Field::of(""), Field::of("TO"), Field::ALL.len()), (None, None, 16));
    }
}
