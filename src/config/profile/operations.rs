//! What a carrier may be asked of a message it has: its state, not to send it, to send another text.

use crate::config::reader::Fields;
use crate::config::scalars::choice;
use crate::smpp::command::CommandId;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OperationHabits {
    pub query: Ask,
    pub cancel: Ask,
    pub replace: Ask,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ask {
    #[default]
    Refuse,
    Pass,
}

impl OperationHabits {
    /// Whether this request is passed to the carrier.
    #[must_use]
    pub fn passes(&self, command: CommandId) -> bool {
        let ask = match command {
            CommandId::QUERY_SM => self.query,
            CommandId::CANCEL_SM => self.cancel,
            CommandId::REPLACE_SM => self.replace,
            _ => Ask::Refuse,
        };
        ask == Ask::Pass
    }
}

pub(super) fn read(fields: &mut Fields<'_>, base: OperationHabits) -> OperationHabits {
    let ask = [("refuse", Ask::Refuse), ("pass", Ask::Pass)];
    OperationHabits {
        query: fields.parse_or("query", base.query, choice(&ask)),
        cancel: fields.parse_or("cancel", base.cancel, choice(&ask)),
        replace: fields.parse_or("replace", base.replace, choice(&ask)),
    }
}
