//! Binds: who wants to do what on a connection.

use std::fmt;

use crate::smpp::command::{CommandId, CommandStatus};
use crate::smpp::frame::Frame;

/// What an ESME may do on a connection (SMPP 3.4, section 2.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BindMode {
    Transmitter,
    Receiver,
    Transceiver,
}

impl BindMode {
    #[must_use]
    pub const fn from_command(command: CommandId) -> Option<Self> {
        match command {
            CommandId::BIND_TRANSMITTER => Some(Self::Transmitter),
            CommandId::BIND_RECEIVER => Some(Self::Receiver),
            CommandId::BIND_TRANSCEIVER => Some(Self::Transceiver),
            _ => None,
        }
    }

    #[must_use]
    pub const fn command(self) -> CommandId {
        match self {
            Self::Transmitter => CommandId::BIND_TRANSMITTER,
            Self::Receiver => CommandId::BIND_RECEIVER,
            Self::Transceiver => CommandId::BIND_TRANSCEIVER,
        }
    }

    #[must_use]
    pub const fn may_submit(self) -> bool {
        match self {
            Self::Transmitter | Self::Transceiver => true,
            Self::Receiver => false,
        }
    }

    /// Whether deliver_sm may be sent to the ESME.
    #[must_use]
    pub const fn may_receive(self) -> bool {
        match self {
            Self::Receiver | Self::Transceiver => true,
            Self::Transmitter => false,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transmitter => "transmitter",
            Self::Receiver => "receiver",
            Self::Transceiver => "transceiver",
        }
    }
}

/// A bind request. Never seen in logs with its password.
#[derive(Clone, Eq, PartialEq)]
pub struct Bind {
    pub mode: BindMode,
    pub system_id: Vec<u8>,
    pub password: Vec<u8>,
    pub system_type: Vec<u8>,
    pub interface_version: u8,
    pub address_ton: u8,
    pub address_npi: u8,
    pub address_range: Vec<u8>,
}

impl fmt::Debug for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("mode", &self.mode)
            .field("system_id", &String::from_utf8_lossy(&self.system_id))
            .field("system_type", &String::from_utf8_lossy(&self.system_type))
            .field("interface_version", &self.interface_version)
            .finish_non_exhaustive()
    }
}

/// Reads a bind. The specification allows 15 octets of system_id and 8 of password; real ones are longer.
/// What stands behind `address_range` is not looked at.
pub fn read_bind(frame: &Frame<'_>) -> Result<Bind, CommandStatus> {
    let mode = BindMode::from_command(frame.command).ok_or(CommandStatus::RINVCMDID)?;
    let (system_id, rest) = c_string(frame.body, CommandStatus::RINVSYSID)?;
    let (password, rest) = c_string(rest, CommandStatus::RINVPASWD)?;
    let (system_type, rest) = c_string(rest, CommandStatus::RINVSYSTYP)?;
    let [interface_version, address_ton, address_npi, rest @ ..] = rest else {
        return Err(CommandStatus::RINVMSGLEN);
    };
    let (address_range, _) = c_string(rest, CommandStatus::RBINDFAIL)?;
    Ok(Bind {
        mode,
        system_id: system_id.to_vec(),
        password: password.to_vec(),
        system_type: system_type.to_vec(),
        interface_version: *interface_version,
        address_ton: *address_ton,
        address_npi: *address_npi,
        address_range: address_range.to_vec(),
    })
}

/// The C-string in front and what follows it; the error is the status of its field.
fn c_string(bytes: &[u8], status: CommandStatus) -> Result<(&[u8], &[u8]), CommandStatus> {
    const LONGEST: usize = 64;
    let len = bytes.iter().take(LONGEST + 1).position(|octet| *octet == 0).ok_or(status)?;
    Ok((&bytes[..len], &bytes[len + 1..]))
}
