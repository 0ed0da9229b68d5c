//! An allocator that fails: a spawn says so, the program lives, and the next try works.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use wakering_core::Error;
use wakering_core::scheduler::LocalScheduler;
use wakering_core::task::Spawn;

struct Failing;

thread_local! {
    /// Allocations of this thread that succeed before all others fail.
    static LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
}

// SAFETY: every call goes to the system's allocator unchanged, or gives null, as it may.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.try_with(Cell::get).unwrap_or(u32::MAX);
        if left == 0 {
            return std::ptr::null_mut();
        }
        if left != u32::MAX {
            LEFT.with(|cell| cell.set(left - 1));
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static FAILING: Failing = Failing;

fn failing_after<R>(allocations: u32, f: impl FnOnce() -> R) -> R {
    LEFT.with(|left| left.set(allocations));
    let result = f();
    LEFT.with(|left| left.set(u32::MAX));
    result
}

#[test]
fn l2_a_pooled_spawn_without_memory_is_refused_and_can_be_tried_again() {
    let scheduler = LocalScheduler::new().unwrap();
    let refused = failing_after(0, || scheduler.try_spawn(async { 5 }).unwrap_err());
    assert_eq!(refused.error(), Error::Os(libc::ENOMEM));
    let join = scheduler.try_spawn(refused.into_future()).unwrap();
    assert_eq!(scheduler.block_on(join).unwrap(), 5);
}

#[test]
#[expect(clippy::result_large_err, reason = "the future comes back whole, as it has to")]
fn l2_a_large_spawn_fails_at_each_of_its_allocations_and_leaks_nothing() {
    let scheduler = LocalScheduler::new().unwrap();
    let large = || {
        let bytes = [3u8; 5_000];
        async move { bytes[4_999] }
    };
    let mut refusals = 0;
    for allocations in 0.. {
        let spawned = failing_after(allocations, || scheduler.try_spawn(large()));
        match spawned {
            Err(refused) => {
                assert_eq!(refused.error(), Error::Os(libc::ENOMEM));
                refusals += 1;
            }
            Ok(join) => {
                assert_eq!(scheduler.block_on(join).unwrap(), 3);
                break;
            }
        }
    }
    assert_eq!(refusals, 3, "the place, and the table of tasks that are in no pool");
    assert!(scheduler.dump().is_empty());
}

#[test]
fn l2_in_the_middle_of_many_spawns_the_rest_goes_on() {
    let scheduler = LocalScheduler::new().unwrap();
    let mut joins = Vec::with_capacity(2_000);
    let mut refused = 0;
    failing_after(2, || {
        for n in 0..2_000 {
            match scheduler.try_spawn_as(Spawn::new(), async move { n }) {
                Ok(join) => joins.push(join),
                Err(_) => refused += 1,
            }
        }
    });
    assert!(refused > 500, "{refused}");
    for join in joins {
        scheduler.block_on(join).unwrap();
    }
}
