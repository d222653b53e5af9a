//! An allocator that counts: how much lives on the heap, and how often it was asked.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Octets allocated and not freed.
static LIVE: AtomicU64 = AtomicU64::new(0);
/// Allocations and reallocations ever made.
static ASKED: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; every call is handed on as it came")]
// SAFETY: the system's allocator does the work, under the contract our caller keeps; we only count.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as our caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: as our caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        // SAFETY: as our caller promised.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

fn count(grown: usize, freed: usize) {
    ASKED.fetch_add(1, Relaxed);
    LIVE.fetch_add(grown as u64, Relaxed);
    LIVE.fetch_sub(freed as u64, Relaxed);
}

/// What the heap has seen so far.
#[derive(Clone, Copy)]
pub(crate) struct Heap {
    pub(crate) live: u64,
    pub(crate) asked: u64,
}

impl Heap {
    pub(crate) fn now() -> Self {
        Self { live: LIVE.load(Relaxed), asked: ASKED.load(Relaxed) }
    }
}
