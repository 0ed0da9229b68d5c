//! An op's whole life: by hand on a driver, and as the future of a task.

use super::Table;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use wakering_core::block::BlockPool;
use wakering_core::driver::sim::SimDriver;
use wakering_core::resource::PathRole;
use wakering_core::scheduler::{LocalOptions, Loop, Nop};
use wakering_core::slab::FreeList;
use wakering_core::slot::Cancel;
use wakering_core::task::yield_now;
use wakering_core::waker::WakerRef;
use wakering_core::{Completion, Driver, Home};

/// A loop that is driven by hand.
struct Lane {
    home: Arc<Home>,
    driver: SimDriver,
    free: FreeList,
    blocks: BlockPool,
    started: u64,
}

impl Lane {
    fn new() -> Self {
        let home = Arc::new(Home::new(64).unwrap());
        let driver = SimDriver::new(home.clone(), 7, 64, 3);
        let free = FreeList::new(&home.slab);
        Self { home, driver, free, blocks: BlockPool::new(8), started: 0 }
    }

    /// Starts as many as there is room for, each 16th with a long path, and cancels each fifth.
    fn start(&mut self) {
        let long_path = [b'p'; 1000];
        while let Ok(token) = self.free.claim(&self.home.slab, WakerRef::port(0)) {
            let slot = self.home.slab.slot(token);
            let long = self.started.is_multiple_of(16);
            let path: &[u8] = if long { &long_path } else { b"/short" };
            let blocks = &mut self.blocks;
            // SAFETY: Queued, and this thread owns the loop.
            let set = unsafe {
                slot.with_resource(|resource| resource.set_path(PathRole::First, path, blocks))
            };
            assert!(set.is_ok() || self.blocks.available() == 0);
            self.driver.enqueue(token).unwrap();
            self.started += 1;
            if self.started.is_multiple_of(5) {
                self.driver.publish().unwrap();
                if slot.request_cancel(token) == Cancel::Ask {
                    self.driver.cancel(token).unwrap();
                }
            }
        }
    }

    fn turn(&mut self) {
        let Self { home, driver, free, blocks, .. } = self;
        let mut take = |completion: Completion| {
            let slot = home.slab.slot(completion.token);
            slot.take(completion.token, |_, resource| resource.release(blocks)).unwrap();
            free.give_back(completion.token.index());
        };
        driver.turn(Some(Duration::ZERO), usize::MAX, &mut take).unwrap();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let Self { home, driver, blocks, .. } = self;
        let _ = driver.drain(Duration::ZERO, &mut |completion| {
            let slot = home.slab.slot(completion.token);
            slot.take(completion.token, |_, resource| resource.release(blocks)).unwrap();
        });
        assert_eq!(blocks.available(), 8);
    }
}

fn as_futures(table: &mut Table) {
    let home = Arc::new(Home::new(64).unwrap());
    let driver = SimDriver::new(home.clone(), 7, 64, 3);
    // SAFETY: new, and only looked at beside the driver.
    let made = unsafe { Loop::new(Box::new(driver), home) };
    let scheduler = LocalOptions::new().with_loop(made, 4).build().unwrap();
    let ops = scheduler.ops().unwrap().clone();
    let nop = || ops.start(Nop);
    table.row("op of a task: awaited", || {
        scheduler.block_on(async { nop().await.unwrap() });
    });
    table.row("op of a task: dropped on its way", || {
        scheduler.block_on(async {
            {
                let mut op = pin!(nop());
                let polled = poll_fn(|cx| Poll::Ready(op.as_mut().poll(cx).is_pending()));
                assert!(polled.await);
            }
            while ops.in_flight() > 0 {
                yield_now().await;
            }
        });
    });
}

pub(super) fn rows(table: &mut Table) {
    let mut lane = Lane::new();
    table.row("op: 64 with paths, some cancelled, until taken", || {
        lane.start();
        while lane.driver.in_flight() > 0 {
            lane.turn();
        }
    });
    drop(lane);
    as_futures(table);
}
