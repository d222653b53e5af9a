//! One shard's task that brings lines of the call detail records from the journal into files.
//!
//! Formatting, writing and syncing are done by a thread beside the shard, some lines at a time; what arrives meanwhile goes
//! together. A file that cannot be written is told of and tried again: the lines wait in the journal, and submits are refused before
//! that is full.

use std::rc::Rc;
use std::time::Duration;

use futures_lite::future;
use glommio::timer::sleep;

use crate::engine::event::Input;
use crate::runtime::cdr_files::CdrFiles;
use crate::runtime::clock;
use crate::runtime::engine::Engine;
use crate::runtime::shard_loop::ShardLoop;

/// Lines written and synced together.
const MOST: usize = 8_192;
/// Lines gather so long: a sync costs more than a line.
const GATHER: Duration = Duration::from_millis(50);
/// A file whose time is over is closed that much later at most, and one that cannot be written is tried again then.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl ShardLoop {
    pub fn start_cdr(self: &Rc<Self>, files: CdrFiles) {
        glommio::spawn_local(Rc::clone(self).write_cdr(files)).detach();
    }

    /// Lines may have become durable.
    pub(super) fn wake_cdr(&self, engine: &Engine) {
        if engine.shard.cdr().is_some_and(|cdr| cdr.has_lines(&engine.out)) {
            self.disk.cdr_wakeup.wake();
        }
    }

    async fn write_cdr(self: Rc<Self>, mut files: CdrFiles) {
        let mut is_failing = false;
        loop {
            let lines = {
                let engine = self.engine.borrow();
                engine.shard.cdr().map(|cdr| cdr.lines(MOST, &engine.out)).unwrap_or_default()
            };
            let (is_empty, through) = (lines.is_empty(), if lines.is_empty() { 0 } else { lines.last() });
            let now = clock::since_unix_epoch().as_secs();
            let work = move || {
                let result = files.append(&lines, now);
                (files, result)
            };
            let (back, result) = glommio::executor().spawn_blocking(work).await;
            files = back;
            match result {
                Ok(()) => {
                    if std::mem::take(&mut is_failing) {
                        tracing::info!(path = %files.directory().display(), "call detail records are written again");
                    }
                    if !is_empty {
                        self.handle(Input::CdrWritten { through });
                        sleep(GATHER).await;
                        continue;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        let path = files.directory().display();
                        tracing::error!(%path, %error, "call detail records cannot be written; they wait in the store");
                    }
                    sleep(LOOK_EVERY).await;
                    continue;
                }
            }
            future::or(self.disk.cdr_wakeup.wait(), sleep(LOOK_EVERY)).await;
        }
    }
}
