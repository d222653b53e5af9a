//! The `carriers` section: where each SMSC is, as whom we bind, and how much it takes.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::{read_rate, read_rate_as};
use super::profile::{self, Profile, Profiles};
use super::raw::Node;
use super::reader::{Fields, Value};
use super::scalars::{choice, duration_or_zero, host_and_port, is_host_name, positive_u16, printable, whole};
use super::validate::read_pin;
use super::{Rate, Secret, ShardPin};
use crate::smpp::message_id::CarrierIdFormat;

#[derive(Clone, Debug, PartialEq)]
pub struct Carrier {
    pub name: String,
    /// A reload took it out of the file: nothing is sent to it, and its receipts are awaited until retention ends.
    pub is_gone: bool,
    pub connect: Connect,
    /// Where our side of the connection begins; `None`: as the host's routes say.
    pub source_address: Option<IpAddr>,
    pub tls: CarrierTls,
    pub system_id: String,
    pub password: Secret,
    pub system_type: String,
    /// How many links; with transmitter_receiver, how many of each.
    pub links: NonZeroU16,
    /// Submits outstanding per link.
    pub window: NonZeroU16,
    /// All its links together; `None`: unlimited.
    pub rate: Option<Rate>,
    /// Of each source address, all its links together; `None`: unlimited.
    pub source_rate: Option<Rate>,
    /// Submits waiting for rate or window.
    pub queue: u32,
    pub queue_wait: Duration,
    pub in_doubt: InDoubt,
    /// Parts of long messages get references that are unique for this carrier.
    pub remap_references: bool,
    pub profile: Arc<Profile>,
    pub message_id: CarrierIdFormats,
    pub state: CarrierState,
    pub shard: ShardPin,
}

/// Where a carrier is reached, as `host:port`; names are resolved at each dial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Connect {
    Transceiver(String),
    TransmitterReceiver { transmitter: String, receiver: String },
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CarrierTls {
    Off,
    On { ca: Option<PathBuf>, server_name: Option<String> },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InDoubt {
    Fail,
    Retry,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CarrierState {
    Active,
    /// Receives only.
    Drain,
    Off,
}

/// How a carrier writes its message ids, in its answers and in its receipts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CarrierIdFormats {
    pub response: CarrierIdFormat,
    pub receipt: CarrierIdFormat,
}

impl Default for CarrierIdFormats {
    fn default() -> Self {
        Self { response: CarrierIdFormat::AsIs, receipt: CarrierIdFormat::AsIs }
    }
}

/// Carriers give tens. With both directions they are still counted in 16 bits.
const MAX_LINKS: u64 = 1_000;

/// SMPP 3.4 has room for 8 octets and a NUL; some carriers take more.
const SPECIFIED_PASSWORD: usize = 8;

const ID_FORMATS: [(&str, CarrierIdFormat); 3] =
    [("as_is", CarrierIdFormat::AsIs), ("hex", CarrierIdFormat::Hex), ("decimal", CarrierIdFormat::Decimal)];

pub(super) fn read(
    name: &str,
    value: &Value<'_>,
    shards: Option<NonZeroU16>,
    profiles: &Profiles<'_>,
) -> Option<Carrier> {
    if let Err(message) = printable(1..=64)(name) {
        value.problem(format!("the name {message}"));
    }
    value.fields(|fields| read_fields(name, fields, shards, profiles))
}

fn read_fields(name: &str, carrier: &mut Fields<'_>, shards: Option<NonZeroU16>, profiles: &Profiles<'_>) -> Carrier {
    let at_least_one = |number| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN);
    let profile = carrier.parse("profile", |text| profile::named(text, profiles));
    let profile = profile.or_else(|| profiles.get("default").cloned()).unwrap_or_default();
    let states = [("active", CarrierState::Active), ("drain", CarrierState::Drain), ("off", CarrierState::Off)];
    Carrier {
        name: name.to_owned(),
        is_gone: false,
        connect: read_connect(carrier),
        source_address: carrier.parse("source_address", ip_address),
        tls: carrier.take("tls").map_or(CarrierTls::Off, |value| read_tls(&value)),
        system_id: carrier.required("system_id").and_then(|value| value.parse(printable(1..=15))).unwrap_or_default(),
        password: read_password(carrier),
        system_type: carrier.parse_or("system_type", String::new(), printable(0..=12)),
        links: carrier.parse_or("links", profile.links.count.unwrap_or(at_least_one(2)), link_count),
        window: carrier.parse_or("window", profile.links.window.unwrap_or(at_least_one(100)), positive_u16),
        rate: read_rate(carrier),
        source_rate: read_rate_as(carrier, "source_rate", "source_burst"),
        queue: carrier.parse_or("queue", 10_000, whole(0..=u64::from(u32::MAX))),
        queue_wait: carrier.parse_or("queue_wait", Duration::from_secs(5), duration_or_zero),
        in_doubt: carrier.parse_or(
            "in_doubt",
            InDoubt::Fail,
            choice(&[("fail", InDoubt::Fail), ("retry", InDoubt::Retry)]),
        ),
        remap_references: carrier.parse_or("remap_references", false, choice(&[("false", false), ("true", true)])),
        message_id: read_id_formats(carrier, profile.message_id),
        profile,
        state: carrier.parse_or("state", CarrierState::Active, choice(&states)),
        shard: read_pin(carrier, shards),
    }
}

fn read_connect(carrier: &mut Fields<'_>) -> Connect {
    let binds = [("transceiver", false), ("transmitter_receiver", true)];
    let bind_value = carrier.take("bind");
    let two_binds = bind_value.as_ref().and_then(|value| value.parse(choice(&binds)));
    let Some(value) = carrier.required("connect") else { return Connect::Transceiver(String::new()) };
    if matches!(value.node, Node::Map(_)) {
        if let (Some(bind), Some(false)) = (bind_value, two_binds) {
            bind.problem("must be transmitter_receiver, because `connect` names a transmitter and a receiver");
        }
        let address = |value: Option<Value<'_>>| value.and_then(|value| value.parse(host_and_port)).unwrap_or_default();
        let both =
            value.fields(|fields| (address(fields.required("transmitter")), address(fields.required("receiver"))));
        let (transmitter, receiver) = both.unwrap_or_default();
        return Connect::TransmitterReceiver { transmitter, receiver };
    }
    let address = value.parse(host_and_port).unwrap_or_default();
    if two_binds == Some(true) {
        Connect::TransmitterReceiver { transmitter: address.clone(), receiver: address }
    } else {
        Connect::Transceiver(address)
    }
}

fn read_tls(value: &Value<'_>) -> CarrierTls {
    if !matches!(value.node, Node::Map(_)) {
        let on = CarrierTls::On { ca: None, server_name: None };
        let is_on = value.parse(choice(&[("false", false), ("true", true)]));
        return if is_on == Some(true) { on } else { CarrierTls::Off };
    }
    let read = |tls: &mut Fields<'_>| CarrierTls::On {
        ca: tls.take("ca").and_then(|value| value.path()),
        server_name: tls.parse("server_name", server_name),
    };
    value.fields(read).unwrap_or(CarrierTls::Off)
}

fn read_password(carrier: &mut Fields<'_>) -> Secret {
    let value = carrier.required("password");
    let password = value.as_ref().and_then(Value::secret).unwrap_or_else(|| Secret::new(""));
    if let (Some(value), true) = (value, password.expose().len() > SPECIFIED_PASSWORD) {
        value.warn("is longer than the 8 octets SMPP gives a password; not every carrier takes it");
    }
    password
}

/// One word stands for both. An id kept as it came and one read as a number never meet.
pub(super) fn read_id_formats(carrier: &mut Fields<'_>, base: CarrierIdFormats) -> CarrierIdFormats {
    let as_is = CarrierIdFormats::default();
    let Some(value) = carrier.take("message_id") else { return base };
    if !matches!(value.node, Node::Map(_)) {
        let format = value.parse(choice(&ID_FORMATS)).unwrap_or(CarrierIdFormat::AsIs);
        return CarrierIdFormats { response: format, receipt: format };
    }
    let both = value.fields(|fields| {
        let mut format = |key| match fields.take(key) {
            Some(value) => value.parse(choice(&ID_FORMATS)),
            None => Some(CarrierIdFormat::AsIs),
        };
        (format("response"), format("receipt"))
    });
    // What could not be read has its own problem.
    let Some((Some(response), Some(receipt))) = both else { return as_is };
    if (response == CarrierIdFormat::AsIs) != (receipt == CarrierIdFormat::AsIs) {
        value.problem("never matches: as_is on one side needs as_is on the other");
    }
    CarrierIdFormats { response, receipt }
}

pub(super) fn link_count(text: &str) -> Result<NonZeroU16, String> {
    whole::<u16>(1..=MAX_LINKS)(text).map(|number| NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN))
}

fn server_name(text: &str) -> Result<String, String> {
    let is_name = is_host_name(text) || text.parse::<IpAddr>().is_ok();
    if is_name { Ok(text.to_owned()) } else { Err("must be a host name or an IP address".to_owned()) }
}

fn ip_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "must be an IP address of this host, such as 192.0.2.7".to_owned())
}
