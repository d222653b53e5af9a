//! What a single value may say: numbers, durations, sizes, addresses, names. Each parser answers with what it expected.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::ShardPin;
use crate::smpp::command::CommandStatus;

/// Deadlines are computed from durations; a bound keeps those sums far from overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// A whole number within a range.
pub(super) fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let number = digits(text).filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

pub(super) fn positive_u16(text: &str) -> Result<NonZeroU16, String> {
    whole::<u16>(1..=u16::MAX.into())(text).map(|number| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN))
}

pub(super) fn positive_u32(text: &str) -> Result<NonZeroU32, String> {
    whole::<u32>(1..=u32::MAX.into())(text).map(|number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    choice(&[("true", true), ("false", false)])(text)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&str) -> Result<T, String> {
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err(format!("must be {}", words.join(" or ")))
        }
    }
}

/// A duration of more than nothing.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_zero(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// A duration as the file has them, such as `250ms` or `72h`.
///
/// # Errors
/// What is wrong with the text.
pub fn duration_or_zero(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text);
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("must be a duration with its unit (ms, s, m, h, d), such as 5s or 72h".to_owned()),
    };
    let number = digits(number).ok_or("must be a duration such as 250ms, 5s or 72h")?;
    let duration = number.checked_mul(millis_per_unit).map(Duration::from_millis);
    duration.filter(|duration| *duration <= LONGEST).ok_or_else(|| "must be at most 3650d".to_owned())
}

/// A size in octets within a range.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<u64, String> {
    move |text| {
        let (number, unit) = number_and_unit(text);
        let octets_per_unit = match unit {
            "" | "B" => 1,
            "KB" | "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err("must be a size such as 512, 16KiB or 1MB".to_owned()),
        };
        let number = digits(number).ok_or("must be a size such as 512, 16KiB or 1MB")?;
        let octets = number.checked_mul(octets_per_unit).filter(|octets| range.contains(octets));
        octets.ok_or_else(|| format!("must be a size from {} to {} octets", range.start(), range.end()))
    }
}

/// `auto`, or a shard's number. Whether that shard runs is asked when the number of shards is known.
pub(super) fn shard_pin(text: &str) -> Result<ShardPin, String> {
    if text == "auto" {
        return Ok(ShardPin::Auto);
    }
    whole(0..=1023)(text).map(ShardPin::Shard).map_err(|_| "must be auto or the number of a shard, from 0".to_owned())
}

/// A command_status as `0xFF`, `255` or `ESME_RUNKNOWNERR`; never success.
pub(super) fn refusal_status(text: &str) -> Result<CommandStatus, String> {
    let status = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok().map(CommandStatus)
        }
        Some(_) => None,
        None => digits(text)
            .and_then(|number| u32::try_from(number).ok())
            .map(CommandStatus)
            .or_else(|| CommandStatus::from_name(text)),
    };
    match status {
        Some(status) if status.is_ok() => Err("must not be ESME_ROK: nothing was accepted".to_owned()),
        Some(status) => Ok(status),
        None => Err("must be a command_status such as 0xFF or ESME_RSYSERR".to_owned()),
    }
}

/// An address to listen on.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an address and a port, such as 0.0.0.0:2775 or [::]:2775".to_owned())
}

/// Where to connect to, `host:port`; a name is only looked at, not looked up.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let expected = || "must be host:port, such as smsc.example:2775 or [2001:db8::1]:2775".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    whole::<u16>(1..=u16::MAX.into())(port).map_err(|_| expected())?;
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
        None => is_host_name(host),
    };
    if is_host { Ok(text.to_owned()) } else { Err(expected()) }
}

/// Printable ASCII of a bounded length, as SMPP's C-octet strings carry it.
pub(super) fn printable(length: RangeInclusive<usize>) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if length.contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            Ok(text.to_owned())
        } else {
            Err(format!("must be {} to {} printable ASCII characters", length.start(), length.end()))
        }
    }
}

/// A URL that names a host and holds no secret.
///
/// # Errors
/// What is wrong with the text.
pub fn callback_url(text: &str) -> Result<String, String> {
    let expected = || "must be a URL such as https://example.com/sms".to_owned();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(expected)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if text.bytes().any(|byte| !(b'!'..=b'~').contains(&byte)) {
        return Err(expected());
    }
    let with_port = match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => authority.to_owned(),
        Some(_) | None => format!("{authority}:80"),
    };
    host_and_port(&with_port).map(|_| text.to_owned()).map_err(|_| expected())
}

pub(super) fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

fn number_and_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Digits and nothing else: no sign, no underscore, no exponent.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_their_unit() {
        for (text, millis) in [("5s", 5000), ("250ms", 250), ("1h", 3_600_000), ("5m", 300_000), ("1d", 86_400_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
        for text in
            ["", "5", "s", "-5s", "5 s", "1.5s", "5S", "0s", "4000d", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_count_in_octets() {
        let any = size(0..=u64::MAX);
        let cases = [
            ("512", 512),
            ("512B", 512),
            ("16KiB", 16_384),
            ("64MiB", 67_108_864),
            ("1MB", 1_000_000),
            ("2GiB", 2 << 30),
        ];
        for (text, octets) in cases {
            assert_eq!(any(text), Ok(octets), "{text}");
        }
        for text in ["", "KiB", "1kib", "1 KiB", "-1", "99999999999GiB"] {
            assert!(any(text).is_err(), "{text}");
        }
        assert!(size(1024..=2048)("1KB").is_err());
        assert!(size(1024..=2048)("3KiB").is_err());
    }

    #[test]
    fn numbers_are_digits_within_their_range() {
        assert_eq!(whole::<u16>(0..=1023)("1023"), Ok(1023));
        for text in ["", "1024", "-1", "+1", "1_0", "1e3", "0x1", "1.0", "99999999999999999999"] {
            assert!(whole::<u16>(0..=1023)(text).is_err(), "{text}");
        }
        assert!(positive_u16("0").is_err() && positive_u16("65536").is_err());
        assert_eq!(positive_u32("4294967295").map(NonZeroU32::get), Ok(u32::MAX));
    }

    #[test]
    fn a_status_is_a_number_or_a_name_and_never_success() {
        for text in ["0xFF", "0XfF", "255", "ESME_RUNKNOWNERR", "runknownerr"] {
            assert_eq!(refusal_status(text), Ok(CommandStatus::RUNKNOWNERR), "{text}");
        }
        for text in ["0", "0x0", "ESME_ROK", "0x", "0x+1", "FF", "0x100000000", "4294967296", ""] {
            assert!(refusal_status(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_carrier_is_reached_at_a_host_and_a_port() {
        for text in ["127.0.0.1:2776", "smsc.example:2775", "smsc_1:1", "[::1]:65535", "example.com.:2775"] {
            assert_eq!(host_and_port(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "host",
            "host:",
            ":2775",
            "host:0",
            "host:65536",
            "::1:2775",
            "[127.0.0.1]:1",
            "a b:1",
            "a..b:1",
            "smpp://a:1",
        ] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_callback_url_names_a_host_and_no_password() {
        for text in ["https://acme.example/sms?x=1", "http://127.0.0.1:8000", "https://[::1]/a:b", "https://h:8443/"] {
            assert!(callback_url(text).is_ok(), "{text}");
        }
        for text in ["", "ftp://x/", "https://", "https:///x", "https://u:p@h/", "https://h/a b", "https://h:x/"] {
            assert!(callback_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_printable_and_bounded() {
        let name = printable(1..=5);
        assert!(name("ab cd").is_ok());
        for text in ["", "abcdef", "a\tb", "a\0", "\u{e9}"] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }
}
