//! Chains, reads that go on into picked buffers, cancels by key and messages to other loops allocate
//! nothing. In a file of its own, because the whole process is counted.

#[path = "../../core/tests/support/counting.rs"]
mod counting;
mod support;

use counting::allocations;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use support::{Lane, pipe, write_to};
use wakering_core::abi::{Opcode, completion_flag, op_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::CancelKey;
use wakering_core::resource::Prepared;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{Sqpoll, UringConfig};

#[test]
fn what_comes_in_many_pieces_allocates_nothing() {
    const ROUNDS: u32 = 5_000;
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    let other = Arc::new(Home::new(1).unwrap());
    let Some(listener) = Lane::worker(4) else { return };
    for config in [
        UringConfig::inline(16),
        UringConfig::worker(16),
        UringConfig::inline(16).with_sqpoll(sqpoll),
    ] {
        let Some(mut lane) = Lane::new(16, config) else { return };
        let (reader, writer) = pipe();
        let group = BufferGroup::new(8, 64);
        let picks = lane.driver.add_buffers(group.clone()).ok();
        let picks = picks.filter(|_| lane.driver.supports(Opcode::Waitid));
        lane.driver.ring(&listener.home);
        let before = allocations();
        for _ in 0..ROUNDS {
            for flags in [op_flag::LINK, op_flag::HARDLINK, 0] {
                lane.start(Prepared { flags, ..Prepared::new(Opcode::Nop) });
            }
            if let Some(group) = picks {
                let (flags, fd) = (op_flag::MULTISHOT, reader.as_raw_fd());
                let read = Prepared { flags, fd, group, ..Prepared::new(Opcode::Read) };
                lane.start(Prepared { offset: u64::MAX, ..read });
                write_to(&writer, b"some bytes");
            }
            lane.driver.ring(&listener.home);
            lane.driver.ring(&other);
            let mut asked = false;
            while lane.driver.in_flight() > 0 {
                let Lane { driver, home, free, blocks, .. } = &mut lane;
                driver
                    .turn(Some(Duration::from_millis(1)), usize::MAX, &mut |completion| {
                        let flags = completion.outcome.flags;
                        if flags & completion_flag::PICKED != 0 {
                            let number = (flags >> completion_flag::PICKED_SHIFT) as u16;
                            // SAFETY: it was picked for this completion.
                            unsafe { group.give_back(number) };
                        }
                        if flags & completion_flag::MORE == 0 {
                            let slot = home.slab.slot(completion.token);
                            slot.take(completion.token, |_, resource| resource.release(blocks))
                                .unwrap();
                            free.give_back(completion.token.index());
                        }
                    })
                    .unwrap();
                if !std::mem::replace(&mut asked, true) {
                    driver.cancel_where(CancelKey::All).unwrap();
                }
            }
        }
        assert_eq!(allocations() - before, 0);
    }
}
