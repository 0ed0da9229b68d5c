//! An allocator that fails: a spawn says so, the program lives, and the next try works.

#![expect(clippy::result_large_err, reason = "the future comes back whole, as it has to")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Ready, ready};
use wakering_core::Error;
use wakering_core::scheduler::{LocalScheduler, Options, Scheduler};
use wakering_core::task::{Spawn, SpawnError, TaskStorage, block_on, try_spawn};

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

/// A spawn that fails at each of its allocations in turn, until it has all that it needs. Each time
/// but the last it says so, and nothing is left of it; then its task runs.
fn at_each_allocation<F, J>(
    name: &str,
    mut spawn: impl FnMut() -> Result<J, F>,
    error: impl Fn(&F) -> Error,
    finish: impl FnOnce(J),
) {
    for allocations in 0..16 {
        match failing_after(allocations, &mut spawn) {
            Err(refused) => assert_eq!(error(&refused), Error::Os(libc::ENOMEM), "{name}"),
            Ok(join) => {
                finish(join);
                assert!(allocations > 0, "{name} has needed no memory: it proves nothing");
                return;
            }
        }
    }
    panic!("{name} still fails");
}

#[test]
fn l2_each_way_to_spawn_fails_at_each_of_its_allocations() {
    let named = Spawn::new().name("a name");
    let large = || {
        let bytes = [3u8; 5_000];
        async move { bytes[4_999] }
    };

    let scheduler = LocalScheduler::new().unwrap();
    let spawn = || scheduler.try_spawn_as(named, async { 5 });
    at_each_allocation("with a name", spawn, SpawnError::error, |join| {
        assert_eq!(scheduler.block_on(join).unwrap(), 5)
    });
    assert!(scheduler.dump().is_empty());

    let scheduler = LocalScheduler::new().unwrap();
    let spawn = || scheduler.try_spawn_as(named, large());
    at_each_allocation("large, with a name", spawn, SpawnError::error, |join| {
        assert_eq!(scheduler.block_on(join).unwrap(), 3)
    });
    assert!(scheduler.dump().is_empty());

    static STORAGE: TaskStorage<Ready<u32>> = TaskStorage::new();
    let scheduler = LocalScheduler::new().unwrap();
    let spawn = || scheduler.spawn_in(&STORAGE, named, || ready(7));
    at_each_allocation(
        "into storage",
        spawn,
        |&error| error,
        |join| assert_eq!(scheduler.block_on(join).unwrap(), 7),
    );

    let scheduler = LocalScheduler::new().unwrap();
    let remote = scheduler.remote();
    let spawn = || remote.try_spawn(named, async { 9 });
    at_each_allocation("from outside", spawn, SpawnError::error, |join| {
        assert_eq!(scheduler.block_on(join).unwrap(), 9)
    });

    let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
    let spawn = || scheduler.try_spawn(named, large());
    at_each_allocation("on several threads", spawn, SpawnError::error, |join| {
        assert_eq!(block_on(join).unwrap(), 3)
    });
}

#[test]
fn l2_a_task_that_cannot_spawn_another_goes_on() {
    let scheduler = Scheduler::start(Options::new().workers(1)).unwrap();
    let outer = scheduler.spawn(async {
        let refused = failing_after(0, || try_spawn(Spawn::new(), std::future::pending::<()>()));
        // The worker may have places left of the outer task's size.
        let failed = refused.map_err(|refused| refused.error()).map(|join| join.abort());
        let large = [1u8; 3_000];
        let future = async move { large[0] };
        let refused = failing_after(0, || try_spawn(Spawn::new(), future)).unwrap_err();
        (
            failed.err(),
            refused.error(),
            try_spawn(Spawn::new(), refused.into_future()).unwrap().await,
        )
    });
    let (small, large, retried) = block_on(outer).unwrap();
    assert!(small.is_none_or(|error| error == Error::Os(libc::ENOMEM)));
    assert_eq!((large, retried.unwrap()), (Error::Os(libc::ENOMEM), 1));
}
