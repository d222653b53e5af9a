//! Telling customers' callbacks.

use std::rc::Rc;

use crate::engine::event::Input;
use crate::engine::web::{Post, Posted};
use crate::runtime::shard_loop::ShardLoop;

impl ShardLoop {
    /// One try; the engine is told what came of it.
    pub(super) fn post(self: &Rc<Self>, post: Post) {
        let Post { account, post, .. } = post;
        self.handle(Input::Posted { account, post, outcome: Posted::Failed });
    }
}
