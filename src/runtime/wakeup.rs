//! A flag that wakes one task of the same shard: set any number of times, seen once.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
pub struct Wakeup {
    is_set: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Wakeup {
    pub fn wake(&self) {
        self.is_set.set(true);
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_set.replace(false) {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    pub async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}
