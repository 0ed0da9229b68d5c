//! The pool of threads: bounded, cancellable, and it ends.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Folder, claim, prepare, prepared};
use wakering_core::abi::{ErrorKind, Opcode};
use wakering_core::inbox::InboxReader;
use wakering_core::slab::FreeList;
use wakering_core::slot::Cancel;
use wakering_core::{Completion, Home, Token};
use wakering_poll_loop::{BlockingPool, Mounts, PoolConfig};

struct Bench {
    home: Arc<Home>,
    free: FreeList,
    pool: BlockingPool,
    reader: InboxReader,
}

impl Bench {
    fn new(slots: u32, config: PoolConfig) -> Self {
        let home = Arc::new(Home::new(slots).unwrap());
        let free = FreeList::new(&home.slab);
        let pool = BlockingPool::new(home.clone(), Arc::new(Mounts::new()), config);
        Self { home, free, pool, reader: InboxReader::new() }
    }

    fn stat(&mut self) -> Token {
        let token = claim(&self.home, &mut self.free);
        let op = prepared(Opcode::Statx, libc::AT_FDCWD);
        prepare(&self.home, token, op, "/".as_ref());
        token
    }

    fn open(&mut self, path: &std::path::Path, flags: i32) -> Token {
        let token = claim(&self.home, &mut self.free);
        let mut op = prepared(Opcode::OpenAt, libc::AT_FDCWD);
        op.op_flags = flags as u32;
        prepare(&self.home, token, op, path);
        token
    }

    fn publish(&self, tokens: &[Token]) -> Vec<Token> {
        let mut tokens = tokens.to_vec();
        self.pool.publish(&mut tokens).unwrap();
        tokens
    }

    /// Takes the next answer, waiting for it.
    fn next(&mut self) -> (Token, i32) {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            self.home.doorbell.clear();
            if let Some(Completion { token, outcome }) = self.home.next_delivery(&mut self.reader) {
                self.home.slab.slot(token).take(token, |_, _| ()).unwrap();
                self.free.give_back(token.index());
                return (token, outcome.result);
            }
            assert!(Instant::now() < until, "no answer");
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

#[test]
fn carries_out_more_than_its_queue_holds_with_no_more_threads_than_allowed() {
    let config = PoolConfig { threads_max: 3, queue_max: Some(8), ..PoolConfig::default() };
    let mut bench = Bench::new(64, config);
    let mut rest: Vec<_> = (0..64).map(|_| bench.stat()).collect();
    rest = bench.publish(&rest);
    assert!(rest.len() >= 64 - 8 - 3, "the queue is bounded: {} left", rest.len());
    for _ in 0..64 {
        assert_eq!(bench.next().1, 0);
        rest = bench.publish(&rest);
    }
    assert!(rest.is_empty());
    assert!((1..=3).contains(&bench.pool.threads()));
    assert_eq!(bench.pool.carried_out(), 64);
    assert_eq!(bench.pool.shutdown(Duration::from_secs(5)).threads, 0);
    assert_eq!(bench.pool.threads(), 0);
    let mut late = vec![bench.stat()];
    assert_eq!(bench.pool.publish(&mut late), Err(ErrorKind::Closed.into()));
}

#[test]
fn two_ends_of_a_fifo_meet_although_they_came_in_one_batch() {
    let folder = Folder::new("two-ends");
    let fifo = folder.file("fifo");
    support::make_fifo(&fifo);
    let mut bench = Bench::new(8, PoolConfig { threads_max: 2, ..PoolConfig::default() });
    let reader = bench.open(&fifo, libc::O_RDONLY);
    let writer = bench.open(&fifo, libc::O_WRONLY);
    assert!(bench.publish(&[reader, writer]).is_empty());
    for _ in 0..2 {
        let fd = bench.next().1;
        assert!(fd >= 0, "{fd}");
        // SAFETY: the descriptor is the test's own.
        unsafe { libc::close(fd) };
    }
}

#[test]
fn v10_withdrawn_ops_are_never_begun() {
    let folder = Folder::new("withdrawn");
    let fifo = folder.file("fifo");
    support::make_fifo(&fifo);
    let config = PoolConfig { threads_max: 1, queue_max: Some(4), ..PoolConfig::default() };
    let mut bench = Bench::new(16, config);
    let stuck = bench.open(&fifo, libc::O_RDONLY);
    bench.publish(&[stuck]);
    while bench.pool.queued() > 0 {
        std::thread::yield_now();
    }
    let path = folder.file("never made");
    for _ in 0..100 {
        let token = bench.open(&path, libc::O_CREAT);
        assert!(bench.publish(&[token]).is_empty(), "withdrawn ops make room");
        assert_eq!(bench.home.slab.slot(token).request_cancel(token), Cancel::Withdrawn);
        bench.home.slab.slot(token).take(token, |_, _| ()).unwrap();
        bench.free.give_back(token.index());
    }
    assert_eq!(bench.home.slab.slot(stuck).request_cancel(stuck), Cancel::Ask);
    assert!(bench.pool.interrupt(stuck));
    assert_eq!(bench.next(), (stuck, -libc::ECANCELED));
    assert!(!path.exists());
    assert_eq!(bench.pool.queued(), 0);
    assert_eq!(bench.pool.withdrawn(), 100);
}

#[test]
fn threads_are_named_leave_when_idle_and_take_no_signals() {
    let config =
        PoolConfig { threads_max: 2, idle: Duration::from_millis(30), ..PoolConfig::default() };
    let mut bench = Bench::new(8, config);
    let token = bench.stat();
    bench.publish(&[token]);
    bench.next();
    let mut seen = false;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let Ok(name) = std::fs::read_to_string(task.join("comm")) else { continue };
        let Ok(status) = std::fs::read_to_string(task.join("status")) else { continue };
        if name.starts_with("wakering-pool") {
            seen = true;
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
            let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD] {
                assert_ne!(blocked & 1 << (signal - 1), 0, "{signal} goes to the main thread");
            }
        }
    }
    assert!(seen, "a thread named wakering-pool-N");
    let until = Instant::now() + Duration::from_secs(10);
    while bench.pool.threads() > 0 {
        assert!(Instant::now() < until, "idle threads leave");
        std::thread::sleep(Duration::from_millis(5));
    }
    let token = bench.stat();
    bench.publish(&[token]);
    assert_eq!(bench.next().1, 0, "and come back");
}

#[test]
fn a_shutdown_withdraws_interrupts_and_joins() {
    let folder = Folder::new("shutdown");
    let fifo = folder.file("fifo");
    support::make_fifo(&fifo);
    let mut bench = Bench::new(16, PoolConfig { threads_max: 2, ..PoolConfig::default() });
    let tokens: Vec<_> = (0..10).map(|_| bench.open(&fifo, libc::O_WRONLY)).collect();
    bench.publish(&tokens);
    std::thread::sleep(Duration::from_millis(20));
    let stuck = bench.pool.shutdown(Duration::from_secs(20));
    assert_eq!((stuck.threads, stuck.ops), (0, 0));
    for _ in 0..10 {
        assert_eq!(bench.next().1, -libc::ECANCELED);
    }
}

/// A thread that no signal ends (here: a write, which is never interrupted) is left behind and
/// counted, and what it brings later finds its slot where it was.
#[test]
fn what_is_stuck_past_the_deadline_is_counted() {
    let mut bench = Bench::new(4, PoolConfig::default());
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    let big = vec![1u8; 1 << 20];
    let token = claim(&bench.home, &mut bench.free);
    let mut op = prepared(Opcode::Write, ends[1]);
    op.offset = u64::MAX;
    (op.address, op.length) = (big.as_ptr().cast_mut(), big.len() as u32);
    prepare(&bench.home, token, op, "".as_ref());
    bench.publish(&[token]);
    while bench.pool.queued() > 0 {
        std::thread::yield_now();
    }
    let stuck = bench.pool.shutdown(Duration::from_millis(50));
    assert_eq!((stuck.threads, stuck.ops), (1, 1));
    let mut buffer = vec![0; 1 << 20];
    let mut seen = 0;
    while seen < big.len() {
        // SAFETY: the buffer lives through the call.
        let read = unsafe { libc::read(ends[0], buffer.as_mut_ptr().cast(), buffer.len()) };
        seen += usize::try_from(read).unwrap();
    }
    assert_eq!(bench.next(), (token, 1 << 20));
    for fd in ends {
        // SAFETY: the test's own.
        unsafe { libc::close(fd) };
    }
}
