//! How links to a carrier bind, keep alive and come back.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::config::Timers;
use crate::config::carriers::link_count;
use crate::config::reader::Fields;
use crate::config::scalars::{duration, positive_u16, printable, whole};

#[derive(Clone, Debug, PartialEq)]
pub struct LinkHabits {
    /// What our bind says of itself.
    pub interface_version: u8,
    pub address_ton: u8,
    pub address_npi: u8,
    pub address_range: String,
    /// Ask a silent carrier after; `None`, here and below: as the `smpp` section says.
    pub enquire_link: Option<Duration>,
    /// Give up a carrier that was silent for.
    pub inactivity: Option<Duration>,
    /// How long its answers to a bind and to an enquire_link may take. A submit's is `smpp.response`.
    pub response: Option<Duration>,
    /// How long its answer to our goodbye may take; `None`: `smpp.session_init`.
    pub unbind: Option<Duration>,
    /// Of a carrier that does not say how many links it has, or how long their windows are.
    pub count: Option<NonZeroU16>,
    pub window: Option<NonZeroU16>,
    pub reconnect: Reconnect,
    /// The wait after a refused system_id or password; it doubles.
    pub refused: Duration,
    /// The wait after ESME_RALYBND: the session before is not dead yet.
    pub already_bound: Duration,
}

/// Waits between tries: the first, doubling up to the longest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reconnect {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for LinkHabits {
    fn default() -> Self {
        Self {
            interface_version: 0x34,
            address_ton: 0,
            address_npi: 0,
            address_range: String::new(),
            enquire_link: None,
            inactivity: None,
            response: None,
            unbind: None,
            count: None,
            window: None,
            reconnect: Reconnect { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
            refused: Duration::from_secs(300),
            already_bound: Duration::from_secs(60),
        }
    }
}

impl LinkHabits {
    /// A link's timers, given those of the `smpp` section.
    #[must_use]
    pub fn timers(&self, smpp: &Timers) -> Timers {
        Timers {
            session_init: self.unbind.unwrap_or(smpp.session_init),
            enquire_link: self.enquire_link.unwrap_or(smpp.enquire_link),
            inactivity: self.inactivity.unwrap_or(smpp.inactivity),
            response: self.response.unwrap_or(smpp.response),
        }
    }
}

pub(super) fn read(fields: &mut Fields<'_>, base: &LinkHabits) -> LinkHabits {
    let octet = |text: &str| whole::<u8>(0..=255)(text);
    LinkHabits {
        interface_version: fields.parse_or("interface_version", base.interface_version, interface_version),
        address_ton: fields.parse_or("address_ton", base.address_ton, octet),
        address_npi: fields.parse_or("address_npi", base.address_npi, octet),
        address_range: fields.parse_or("address_range", base.address_range.clone(), printable(0..=40)),
        enquire_link: fields.parse("enquire_link", duration).or(base.enquire_link),
        inactivity: fields.parse("inactivity", duration).or(base.inactivity),
        response: fields.parse("response", duration).or(base.response),
        unbind: fields.parse("unbind", duration).or(base.unbind),
        count: fields.parse("count", link_count).or(base.count),
        window: fields.parse("window", positive_u16).or(base.window),
        reconnect: fields.section("reconnect", |fields| read_reconnect(fields, base.reconnect)),
        refused: fields.parse_or("refused", base.refused, duration),
        already_bound: fields.parse_or("already_bound", base.already_bound, duration),
    }
}

fn read_reconnect(fields: &mut Fields<'_>, base: Reconnect) -> Reconnect {
    let first = fields.parse_or("first", base.first, duration);
    let longest = fields.parse_or("longest", base.longest, duration);
    if first > longest {
        fields.reading.problem(fields.path_of("first"), "must not be longer than `longest`");
    }
    Reconnect { first, longest }
}

fn interface_version(text: &str) -> Result<u8, String> {
    match text {
        "3.3" | "0x33" => Ok(0x33),
        "3.4" | "0x34" => Ok(0x34),
        "5.0" | "0x50" => Ok(0x50),
        _ => Err("must be 3.3, 3.4 or 5.0".to_owned()),
    }
}
