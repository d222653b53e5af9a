//! Standard error as nobody is kept waiting by it: whoever reads it may have stopped, or gone, and no shard waits for that. What
//! cannot be written at once is lost, and counted.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::runtime::sys;

/// What a pipe that has any room takes at once (PIPE_BUF).
const PIECE: usize = 4_096;

static LOST: AtomicU64 = AtomicU64::new(0);

/// Writes each event whole, or as much as is taken. It never fails: the subscriber would say so on standard error, and panic there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // One at a time, so that the room one was promised is not taken by another.
        if !write_now(&mut io::stderr().lock(), event) {
            LOST.fetch_add(1, Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether all of it was written. Of an event longer than a piece only the beginning may have been.
fn write_now(to: &mut (impl Write + AsFd), event: &[u8]) -> bool {
    event.chunks(PIECE).all(|piece| sys::is_writable(to.as_fd()) && to.write_all(piece).is_ok())
}

/// How many events were lost since the last call; none while nobody takes what would be said of them.
#[must_use]
pub(super) fn take_lost() -> u64 {
    if LOST.load(Relaxed) == 0 || !sys::is_writable(io::stderr().as_fd()) { 0 } else { LOST.swap(0, Relaxed) }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read};

    use super::*;

    fn fill(pipe: &mut PipeWriter) -> usize {
        (0..10_000).take_while(|_| write_now(pipe, &[b'x'; PIECE])).count()
    }

    #[test]
    fn what_a_full_pipe_does_not_take_is_lost_and_what_follows_is_written() {
        let (mut reader, mut pipe) = io::pipe().unwrap();
        let full = fill(&mut pipe);
        assert!(full > 0 && !write_now(&mut pipe, b"lost\n"));
        let mut octets = vec![0; full * PIECE];
        reader.read_exact(&mut octets).unwrap();
        assert!(write_now(&mut pipe, b"written\n"));
        drop(pipe);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "written\n");
    }

    #[test]
    fn a_pipe_that_nobody_reads_any_more_is_no_error() {
        let (reader, mut pipe) = io::pipe().unwrap();
        drop(reader);
        assert!(!write_now(&mut pipe, b"lost\n"));
    }
}
