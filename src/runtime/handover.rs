//! A value that another thread hands over to a task: what a thread of its own found out, what a shard answered.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

pub struct Handover<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<T>,
    waiting: Vec<Waker>,
}

impl<T> Handover<T> {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { value: None, waiting: Vec::new() }) })
    }

    pub fn give(&self, value: T) {
        let mut state = self.lock();
        state.value = Some(value);
        for waker in state.waiting.drain(..) {
            waker.wake();
        }
    }

    #[must_use]
    pub fn is_given(&self) -> bool {
        self.lock().value.is_some()
    }

    /// Waits for the value, and looks at it. Any number of tasks may.
    pub async fn look<R>(&self, mut look: impl FnMut(&mut T) -> R) -> R {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(value) = &mut state.value {
                return Poll::Ready(look(value));
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the value, and takes it. For one task.
    pub async fn take(&self) -> T {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(value) = state.value.take() {
                return Poll::Ready(value);
            }
            state.waiting = vec![cx.waker().clone()];
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what may block on a thread of its own: on the shard it would stall every connection, and on the one thread that does
/// the store's blocking calls, every commit.
pub fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Arc<Handover<T>>> {
    let handover = Handover::new();
    let theirs = Arc::clone(&handover);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || theirs.give(work()))?;
    Ok(handover)
}
