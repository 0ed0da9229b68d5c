//! An op's whole life allocates nothing once the loop has started.

#[path = "support/counting.rs"]
mod counting;

use counting::allocations;
use std::sync::Arc;
use std::time::Duration;
use wakering_core::block::BlockPool;
use wakering_core::driver::sim::SimDriver;
use wakering_core::resource::PathRole;
use wakering_core::slab::FreeList;
use wakering_core::slot::Cancel;
use wakering_core::waker::WakerRef;
use wakering_core::{Driver, Home};

#[test]
fn a_million_ops_with_paths_and_cancels_allocate_nothing() {
    let home = Arc::new(Home::new(64).unwrap());
    let mut driver = SimDriver::new(home.clone(), 7, 64, 3);
    let mut free = FreeList::new(&home.slab);
    let mut blocks = BlockPool::new(8);
    let long_path = [b'p'; 1000];
    let before = allocations();
    let mut done = 0u64;
    let mut started = 0u64;
    while done < 1_000_000 {
        while let Ok(token) = free.claim(&home.slab, WakerRef::port(0)) {
            let slot = home.slab.slot(token);
            let path: &[u8] = if started.is_multiple_of(16) { &long_path } else { b"/short" };
            // SAFETY: Queued, and this thread owns the loop.
            let set = unsafe {
                slot.with_resource(|resource| resource.set_path(PathRole::First, path, &mut blocks))
            };
            assert!(set.is_ok() || blocks.available() == 0);
            driver.enqueue(token).unwrap();
            started += 1;
            if started.is_multiple_of(5) {
                driver.publish().unwrap();
                if slot.request_cancel(token) == Cancel::Ask {
                    driver.cancel(token).unwrap();
                }
            }
        }
        driver
            .turn(Some(Duration::ZERO), usize::MAX, &mut |completion| {
                let slot = home.slab.slot(completion.token);
                slot.take(completion.token, |_, resource| resource.release(&mut blocks)).unwrap();
                free.give_back(completion.token.index());
                done += 1;
            })
            .unwrap();
    }
    assert_eq!(allocations() - before, 0);
    let _ = driver.drain(Duration::ZERO, &mut |completion| {
        let slot = home.slab.slot(completion.token);
        slot.take(completion.token, |_, resource| resource.release(&mut blocks)).unwrap();
    });
    assert_eq!(blocks.available(), 8);
}
