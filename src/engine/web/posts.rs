//! Events on their way to callbacks: made durable, told, and forgotten when the customer has taken them.

use crate::engine::account::Account;
use crate::engine::context::Context;
use crate::engine::slab::Key;

use super::Posted;

impl Account {
    /// What came of a try.
    pub fn posted(&mut self, _post: Key, _outcome: Posted, _cx: &mut Context<'_>) {}
}
