//! Once its threads are there, the poll driver allocates nothing per op, cancel or timer.

#[path = "../../core/tests/support/counting.rs"]
mod counting;

use counting::allocations;
use std::sync::Arc;
use std::time::Duration;
use wakering_core::abi::{HandleId, Opcode, POSITION_CURRENT, completion_flag, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::buffers::BufferGroup;
use wakering_core::resource::PathRole;
use wakering_core::slab::FreeList;
use wakering_core::slot::Cancel;
use wakering_core::waker::WakerRef;
use wakering_core::{Driver, Home};
use wakering_poll_loop::{PollConfig, PollDriver, PoolConfig};

const SLOTS: u32 = 64;

struct Run {
    home: Arc<Home>,
    driver: PollDriver,
    free: FreeList,
    blocks: BlockPool,
    buffers: Vec<[u8; 64]>,
    file: i32,
    pipe: [i32; 2],
    sockets: [i32; 2],
    group: u16,
    picked: Arc<BufferGroup>,
    started: u64,
    done: u64,
}

impl Run {
    fn start(&mut self) -> bool {
        let Ok(token) = self.free.claim(&self.home.slab, WakerRef::NOBODY) else { return false };
        let kind = self.started % 12;
        let buffer = &raw mut self.buffers[token.index() as usize];
        let (file, pipe, sockets, group) = (self.file, self.pipe, self.sockets, self.group);
        let slot = self.home.slab.slot(token);
        let blocks = &mut self.blocks;
        // SAFETY: Queued, and this thread owns the loop.
        unsafe {
            slot.with_resource(|resource| {
                let op = &mut resource.prepared;
                *op = wakering_core::resource::Prepared::new(Opcode::Nop);
                (op.address, op.length) = (buffer.cast(), 64);
                match kind {
                    0 => (op.opcode, op.fd) = (Opcode::Read, file),
                    1 => (op.opcode, op.fd) = (Opcode::Statx, libc::AT_FDCWD),
                    2 => (op.opcode, op.offset) = (Opcode::Timeout, 50_000),
                    3 | 4 => {
                        (op.opcode, op.fd) = (Opcode::Read, pipe[0]);
                        (op.length, op.offset) = (1, POSITION_CURRENT);
                    }
                    6 => (op.opcode, op.fd) = (Opcode::Send, sockets[1]),
                    7 | 8 => (op.opcode, op.fd) = (Opcode::Recv, sockets[0]),
                    9 => {
                        (op.opcode, op.fd, op.group) = (Opcode::Recv, sockets[0], group);
                        op.flags |= op_flag::MULTISHOT;
                    }
                    10 => op.flags |= op_flag::LINK,
                    11 => (op.opcode, op.fd) = (Opcode::Close, -1),
                    _ => {}
                }
                if kind == 8 {
                    // Its number has a handle, so that its watch is kept.
                    op.handle = HandleId { index: 8, generation: 1 };
                }
                let _ = resource.set_path(PathRole::First, b"/", blocks);
            });
        }
        self.driver.enqueue(token).unwrap();
        self.started += 1;
        if matches!(kind, 4 | 7 | 9) {
            self.driver.publish().unwrap();
            if slot.request_cancel(token) == Cancel::Ask {
                self.driver.cancel(token).unwrap();
            }
        }
        true
    }

    fn turn(&mut self) {
        let Self { home, driver, free, blocks, picked, done, .. } = self;
        // SAFETY: one byte of a static.
        unsafe { libc::write(self.pipe[1], b"x".as_ptr().cast(), 1) };
        driver
            .turn(Some(Duration::from_millis(1)), usize::MAX, &mut |completion| {
                let flags = completion.outcome.flags;
                if flags & completion_flag::PICKED != 0 {
                    let number = (flags >> completion_flag::PICKED_SHIFT) as u16;
                    // SAFETY: it was picked for this completion.
                    unsafe { picked.give_back(number) };
                }
                if flags & completion_flag::MORE != 0 {
                    return;
                }
                let slot = home.slab.slot(completion.token);
                slot.take(completion.token, |_, resource| resource.release(blocks)).unwrap();
                free.give_back(completion.token.index());
                *done += 1;
            })
            .unwrap();
    }
}

#[test]
fn fifty_thousand_ops_of_all_kinds_allocate_nothing() {
    let home = Arc::new(Home::new(SLOTS).unwrap());
    // One thread: it starts once, and stays.
    let threads = PoolConfig { threads_max: 1, ..PoolConfig::default() };
    let config = PollConfig { threads, ..PollConfig::default() };
    let mut driver = PollDriver::new(config, home.clone()).unwrap();
    let mut pipe = [-1; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: a literal path.
    let file = unsafe { libc::open(c"/proc/self/exe".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    assert!(file >= 0);
    let mut sockets = [-1; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: room for two descriptors.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, sockets.as_mut_ptr()) };
    assert_eq!(made, 0);
    let picked = BufferGroup::new(8, 64);
    let group = driver.add_buffers(picked.clone()).unwrap();
    let mut run = Run {
        free: FreeList::new(&home.slab),
        home,
        driver,
        blocks: BlockPool::new(4),
        buffers: vec![[0; 64]; SLOTS as usize],
        file,
        pipe,
        sockets,
        group,
        picked,
        started: 0,
        done: 0,
    };
    let mut before = 0;
    while run.done < 50_000 {
        if run.done < 2_000 {
            before = allocations();
        }
        while run.start() {}
        run.turn();
    }
    assert_eq!(allocations() - before, 0);
}
