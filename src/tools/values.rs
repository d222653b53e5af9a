//! Values of the tools' flags: durations and ranges of them, mixes in percent, and the dice that draw from both.

use std::str::FromStr;
use std::time::Duration;

use crate::smpp::command::CommandStatus;

/// `5s`, `150ms`, `20us`, `1m`, `1h`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| format!("`{text}` is no duration, such as 5s or 20ms"))?;
    let unit = match text[digits..].trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("`{unit}` is no unit of time; use us, ms, s, m or h")),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| format!("`{text}` is too long"))
}

/// A duration, or a range from which one is drawn each time: `5ms` or `5ms..50ms`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Delay {
    shortest: Duration,
    longest: Duration,
}

impl Delay {
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.longest.is_zero()
    }

    pub fn draw_ns(self, dice: &mut Dice) -> u64 {
        let (low, high) = (nanos(self.shortest), nanos(self.longest));
        if low == high { low } else { low + dice.below(high - low + 1) }
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (shortest, longest) = (duration(low)?, duration(high)?);
        if shortest > longest { Err(format!("`{text}` ends before it begins")) } else { Ok(Self { shortest, longest }) }
    }
}

#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What happens in how many percent of cases: `ESME_RSYSERR=2,0x400=1`. The rest is the caller's default.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mix<T> {
    /// Ends of the ranges a draw falls into, in millionths.
    ends: Vec<(u64, T)>,
}

const WHOLE: u64 = 1_000_000;

impl<T> Default for Mix<T> {
    fn default() -> Self {
        Self { ends: Vec::new() }
    }
}

impl<T: Copy> Mix<T> {
    pub fn parse(text: &str, parse_case: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let (mut ends, mut end) = (Vec::new(), 0);
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (case, percent) = part.split_once('=').ok_or_else(|| format!("`{part}` is not CASE=PERCENT"))?;
            let percent: f64 =
                percent.trim().trim_end_matches('%').parse().map_err(|_| format!("`{part}`: no percentage"))?;
            if !(0.0..=100.0).contains(&percent) {
                return Err(format!("`{part}` is not within 0 and 100"));
            }
            end += (percent * WHOLE as f64 / 100.0).round() as u64;
            ends.push((end, parse_case(case.trim())?));
        }
        if end > WHOLE { Err(format!("`{text}` is more than 100 percent")) } else { Ok(Self { ends }) }
    }

    /// The case of this draw; `None` is the default.
    pub fn draw(&self, dice: &mut Dice) -> Option<T> {
        if self.ends.is_empty() {
            return None;
        }
        let draw = dice.below(WHOLE);
        self.ends.iter().find(|(end, _)| draw < *end).map(|(_, case)| *case)
    }
}

/// A share between 0 and 100.
pub fn percent(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("`{text}` is no percentage"))
}

/// A status by its name or its number.
pub fn status(text: &str) -> Result<CommandStatus, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    number
        .map(CommandStatus)
        .or_else(|| CommandStatus::from_name(text))
        .ok_or_else(|| format!("`{text}` is no command_status, such as ESME_RTHROTTLED or 0x58"))
}

/// Repeatable chance: the same seed gives the same draws (splitmix64).
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.0)
    }

    /// True in so many percent of cases; a share of zero draws nothing.
    pub fn percent(&mut self, share: f64) -> bool {
        share > 0.0 && self.below(WHOLE) < (share * WHOLE as f64 / 100.0) as u64
    }

    /// Evenly from `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }
}

/// A number made of another that looks unrelated to it.
#[must_use]
pub fn scramble(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_ranges_have_two_ends() {
        assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("20us"), Ok(Duration::from_micros(20)));
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert!(duration("5 apples").is_err() && duration("").is_err() && duration("ms").is_err());
        let delay: Delay = "5ms..7ms".parse().unwrap();
        let mut dice = Dice::new(1);
        for _ in 0..1_000 {
            assert!((5_000_000..=7_000_000).contains(&delay.draw_ns(&mut dice)));
        }
        assert!("7ms..5ms".parse::<Delay>().is_err());
    }

    #[test]
    fn statuses_are_names_or_numbers() {
        assert_eq!(status("ESME_RTHROTTLED"), Ok(CommandStatus(0x58)));
        assert_eq!(status("0x400"), Ok(CommandStatus(0x400)));
        assert_eq!(status("88"), Ok(CommandStatus(88)));
        assert!(status("nonsense").is_err());
    }

    #[test]
    fn a_mix_draws_each_case_about_as_often_as_it_says_and_the_same_for_the_same_seed() {
        let mix = Mix::parse("ESME_RSYSERR=2,0x400=10%", status).unwrap();
        let draws = |seed| {
            let mut dice = Dice::new(seed);
            std::iter::repeat_with(|| mix.draw(&mut dice)).take(100_000).collect::<Vec<_>>()
        };
        let drawn = draws(7);
        let count = |case| drawn.iter().filter(|draw| **draw == case).count();
        assert!((1_800..2_200).contains(&count(Some(CommandStatus::RSYSERR))));
        assert!((9_500..10_500).contains(&count(Some(CommandStatus(0x400)))));
        assert_eq!(drawn, draws(7));
        assert_ne!(drawn, draws(8));
    }

    #[test]
    fn a_mix_over_a_hundred_percent_or_without_a_percentage_is_refused() {
        for text in ["0x8=60,0x58=41", "0x8", "0x8=x", "0x8=-1", "x=5"] {
            assert!(Mix::parse(text, status).is_err(), "{text}");
        }
    }
}
