//! An op through the ring allocates nothing, and neither does its cancel.

#[path = "../../core/tests/support/counting.rs"]
mod counting;
mod support;

use counting::allocations;
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::{Folder, Lane, pipe, transfer};
use wakering_core::Driver;
use wakering_core::abi::Opcode;
use wakering_core::resource::{PathRole, Prepared};
use wakering_uring_loop::{Sqpoll, UringConfig};

#[test]
fn a_hundred_thousand_ops_with_paths_and_cancels_allocate_nothing() {
    const OPS: u64 = 100_000;
    let folder = Folder::new();
    let path = folder.join("file");
    std::fs::write(&path, [7u8; 4096]).unwrap();
    let path = path.to_str().unwrap().as_bytes();
    let file = std::fs::File::open(folder.join("file")).unwrap();
    let (reader, _writer) = pipe();
    let mut memory = vec![0u8; 64 * 64];
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    for config in [
        UringConfig::inline(64),
        UringConfig::worker(64),
        UringConfig::inline(64).with_sqpoll(sqpoll),
    ] {
        let Some(mut lane) = Lane::new(64, config) else { return };
        let before = allocations();
        let (mut started, mut done) = (0, 0);
        while done < OPS {
            while started < OPS && lane.free.available() > 0 {
                let kind = started % 16;
                let prepared = match kind {
                    0 => Prepared { fd: libc::AT_FDCWD, ..Prepared::new(Opcode::Statx) },
                    1 => transfer(Opcode::Read, reader.as_raw_fd(), &mut [], 0),
                    _ => transfer(Opcode::Read, file.as_raw_fd(), &mut [], 0),
                };
                let token = lane.claim(prepared);
                let place = token.index() as usize * 64;
                let address = memory[place..].as_mut_ptr();
                let slot = lane.home.slab.slot(token);
                let blocks = &mut lane.blocks;
                // SAFETY: Queued, on the owning thread.
                unsafe {
                    slot.with_resource(|resource| {
                        resource.prepared.address = address;
                        resource.prepared.length = 64;
                        resource.set_path(PathRole::First, path, blocks)
                    })
                }
                .unwrap();
                lane.driver.enqueue(token).unwrap();
                started += 1;
                if kind == 1 {
                    let _ = lane.cancel(token).unwrap();
                }
            }
            let Lane { driver, home, free, blocks, .. } = &mut lane;
            done += driver
                .turn(Some(Duration::from_secs(1)), usize::MAX, &mut |completion| {
                    let slot = home.slab.slot(completion.token);
                    slot.take(completion.token, |_, resource| resource.release(blocks)).unwrap();
                    free.give_back(completion.token.index());
                })
                .unwrap() as u64;
        }
        assert_eq!(allocations() - before, 0);
    }
}
