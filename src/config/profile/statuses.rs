//! What each command_status of a carrier's answer means for the submit.

use crate::config::reader::Fields;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusTable {}

pub(super) fn read(_fields: &mut Fields<'_>, base: &StatusTable) -> StatusTable {
    base.clone()
}
