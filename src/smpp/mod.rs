//! SMPP 3.4 on the wire: framing, borrowed fields, receipts, message ids, segments. Pure: bytes in, values out.

pub mod alert;
pub mod command;
pub mod compose;
pub mod congestion;
mod cursor;
pub mod data_sm;
pub mod edit;
pub mod frame;
pub mod id_cipher;
pub mod keyword;
pub mod message_id;
pub mod multi;
pub mod operations;
pub mod pdu;
pub mod receipt;
pub mod segment;
pub mod text;
pub mod time;
pub mod version;
pub mod view;
pub mod without_tlvs;
