//! How links to a carrier bind, keep alive and come back.

use crate::config::reader::Fields;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkHabits {}

pub(super) fn read(_fields: &mut Fields<'_>, base: &LinkHabits) -> LinkHabits {
    base.clone()
}
