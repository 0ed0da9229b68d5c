//! Room that comes back while somebody looks for it. A wait that nobody ends is a deadlock, and loom finds
//! it; so it does an attempt that is repeated without end.

use super::*;
use crate::block::BlockPool;
use crate::sync::loom_support::block_on;
use loom::sync::Arc;
use loom::thread::{self, yield_now};

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(f);
}

fn take(room: &Room) -> Result<u32, Lack> {
    room.shelf().pop().ok_or(Lack::Slot)
}

fn give_back(room: &Room, index: u32) {
    if room.put(index) {
        room.line(Lack::Slot).ring_one();
    }
}

/// The only slot is the loop's own, which shares it with a ring for all at some moment after it was wanted.
#[test]
fn loom_a_slot_that_is_shared_between_the_look_and_the_line_is_heard_of() {
    model(|| {
        let (room, mut own) = Room::of(&Slab::new(1));
        let room = Arc::new(room);
        let waits = {
            let room = room.clone();
            thread::spawn(move || block_on(room.when_there_is_enough(|| (), |_| take(&room))))
        };
        while !room.is_wanted() {
            yield_now();
        }
        assert!(room.share(&mut own));
        room.ring();
        waits.join().unwrap();
        assert!(!room.is_wanted());
    });
}

/// Two wait for the slots that two others give back, one each.
#[test]
fn loom_each_slot_that_comes_back_serves_one() {
    model(|| {
        let (room, _own) = Room::of(&Slab::new(1));
        let room = Arc::new(room);
        let waits = {
            let room = room.clone();
            thread::spawn(move || block_on(room.when_there_is_enough(|| (), |_| take(&room))))
        };
        let gives = {
            let room = room.clone();
            thread::spawn(move || give_back(&room, 0))
        };
        give_back(&room, 0);
        block_on(room.when_there_is_enough(|| (), |_| take(&room)));
        waits.join().unwrap();
        gives.join().unwrap();
    });
}

/// One that finds the slot and no block gives the slot back at once: whoever was refused meanwhile hears of
/// it, and it does not hear itself.
#[test]
fn loom_a_slot_that_was_of_no_use_goes_to_another() {
    model(|| {
        let (room, _own) = Room::of(&Slab::new(4));
        let shared = Arc::new((room, BlockPool::new(1)));
        let block = shared.1.lend().unwrap();
        let short_of_a_block = {
            let shared = shared.clone();
            thread::spawn(move || {
                let (room, blocks) = &*shared;
                let mut attempts = 0;
                let attempt = |_: &mut Context<'_>| {
                    attempts += 1;
                    let index = take(room)?;
                    let block = blocks.lend();
                    give_back(room, index);
                    block.ok_or(Lack::Rest)
                };
                let block = block_on(room.when_there_is_enough(|| (), attempt));
                // At first, where the slot was out, where there was a block, and once more for each ring.
                assert!(attempts <= 4);
                blocks.give_back(block);
            })
        };
        let (room, blocks) = &*shared;
        let index = block_on(room.when_there_is_enough(|| (), |_| take(room)));
        give_back(room, index);
        blocks.give_back(block);
        if room.is_wanted() {
            room.ring();
        }
        short_of_a_block.join().unwrap();
    });
}
