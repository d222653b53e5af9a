//! What is rewritten in a submit on its way to the carrier.

use crate::config::reader::Fields;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubmitHabits {}

pub(super) fn read(_fields: &mut Fields<'_>, base: &SubmitHabits) -> SubmitHabits {
    base.clone()
}
