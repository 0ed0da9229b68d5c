//! What is particular to the poll driver, and how many descriptors it leaves: one test at a time,
//! because descriptors are counted.

#[allow(dead_code, reason = "the lane of the conformance suite; this file uses its part")]
#[path = "../../core/tests/conformance/lane.rs"]
mod lane;

use lane::{Lane, Op, close_now, make_fifo, pipe, write_now};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wakering_core::abi::{ErrorKind, Opcode, POSITION_CURRENT, op_flag};
use wakering_core::{Driver, Error, Home};
use wakering_poll_loop::{PollConfig, PollDriver};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn make(home: Arc<Home>) -> Result<PollDriver, Error> {
    PollDriver::new(PollConfig::default(), home)
}

fn with_lane(name: &str, test: impl FnOnce(&mut Lane<PollDriver>)) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = open_descriptors();
    let mut lane = Lane::new(name, make).expect("descriptors for a driver");
    test(&mut lane);
    lane.end();
    assert_eq!(open_descriptors(), before, "every descriptor is closed");
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn read<'a>(fd: i32, buffer: &mut [u8]) -> Op<'a> {
    Op::on(Opcode::Read, fd).into(buffer).offset(POSITION_CURRENT)
}

#[test]
fn reads_of_one_pipe_are_served_in_the_order_in_which_they_came() {
    with_lane("order", |lane| {
        let (out, into) = pipe();
        let mut buffers = [[0u8; 1]; 20];
        let tokens: Vec<_> = buffers.iter_mut().map(|b| lane.start(&read(out, b))).collect();
        let bytes: Vec<u8> = (0..20).collect();
        for chunk in bytes.chunks(3) {
            write_now(into, chunk);
            lane.turn(Some(Duration::from_millis(20)));
        }
        for token in tokens {
            assert_eq!(lane.finish(token).result, 1);
        }
        assert_eq!(buffers.concat(), bytes);
        close_now(out);
        close_now(into);
    });
}

#[test]
fn a_file_set_not_to_block_does_not_wait() {
    with_lane("nonblock", |lane| {
        let path = lane.file("fifo");
        make_fifo(&path);
        let fd = lane.open(&path, libc::O_RDWR | libc::O_NONBLOCK);
        assert_eq!(lane.result(&read(fd, &mut [0; 4])), -libc::EAGAIN);
        lane.close(fd);
    });
}

/// Ten thousand times: 64 KiB through a FIFO, which takes no RWF_NOWAIT, in odd pieces.
#[test]
fn spliced_bytes_arrive_whole_and_in_order() {
    with_lane("splice", |lane| {
        let path = lane.file("fifo");
        make_fifo(&path);
        let fd = lane.open(&path, libc::O_RDWR);
        let sent: Vec<u8> = (0..1_000_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
        let (mut written, mut seen) = (0, Vec::new());
        let mut buffer = vec![0; 50_000];
        while seen.len() < sent.len() {
            if written < sent.len() {
                let piece = &sent[written..(written + 40_001).min(sent.len())];
                let op = Op::on(Opcode::Write, fd).from(piece).offset(POSITION_CURRENT);
                let count = lane.result(&op);
                assert!(count > 0, "{count}");
                written += count as usize;
            }
            let count = lane.result(&read(fd, &mut buffer)) as usize;
            seen.extend_from_slice(&buffer[..count]);
        }
        assert!(seen == sent);
        lane.close(fd);
    });
}

#[test]
fn an_idle_driver_ends_at_once_with_its_threads_joined() {
    with_lane("ends", |lane| {
        let path = lane.file("data");
        std::fs::write(&path, "").unwrap();
        let start = Instant::now();
        let fd = lane.open(&path, libc::O_RDONLY);
        lane.close(fd);
        assert_eq!(lane.drain(Duration::from_secs(60)), 0);
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(lane.driver.pool().threads(), 0, "its threads are joined");
    });
}

#[test]
fn refuses_what_it_cannot_do_and_everything_after_the_end() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Arc::new(Home::new(4).unwrap());
    let mut driver = make(home.clone()).unwrap();
    let mut free = wakering_core::slab::FreeList::new(&home.slab);
    let token = free.claim(&home.slab, wakering_core::waker::WakerRef::NOBODY).unwrap();
    let enqueue = |driver: &mut PollDriver, opcode, flags| {
        // SAFETY: Queued, and this thread owns the home.
        unsafe {
            home.slab.slot(token).with_resource(|resource| {
                resource.prepared.opcode = opcode;
                resource.prepared.flags = flags;
            });
        }
        driver.enqueue(token)
    };
    let unsupported = Err(ErrorKind::Unsupported.into());
    assert_eq!(enqueue(&mut driver, Opcode::CancelAll, 0), unsupported);
    assert_eq!(enqueue(&mut driver, Opcode::OpenAt, op_flag::DIRECT), unsupported);
    let _ = driver.drain(Duration::from_secs(1), &mut |_| ());
    assert_eq!(enqueue(&mut driver, Opcode::Nop, 0), Err(ErrorKind::Closed.into()));
}

/// 5,000 opens, each cancelled at some moment: no descriptor stays open.
#[test]
fn v11_a_cancelled_open_leaks_no_descriptor() {
    with_lane("opens", |lane| {
        let path = lane.file("data");
        std::fs::write(&path, "").unwrap();
        let mut cancelled = 0;
        for round in 0..5_000 {
            let token = lane.start(&Op::new(Opcode::OpenAt).path(&path));
            if round % 3 == 0 {
                std::thread::yield_now();
            }
            let _ = lane.cancel(token);
            match lane.finish(token).result {
                fd @ 0.. => close_now(fd),
                result => {
                    assert_eq!(result, -libc::ECANCELED);
                    cancelled += 1;
                }
            }
        }
        assert!(cancelled > 0);
    });
}

/// A terminal that nobody reads: its two ends.
fn terminal() -> (i32, i32) {
    // SAFETY: numbers only.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    // SAFETY: the descriptor is the test's own.
    assert_eq!(unsafe { libc::grantpt(master) }, 0);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::unlockpt(master) }, 0);
    let mut name = [0; 64];
    // SAFETY: room for 64 bytes.
    assert_eq!(unsafe { libc::ptsname_r(master, name.as_mut_ptr(), name.len()) }, 0);
    // SAFETY: the name is terminated.
    let slave =
        unsafe { libc::open(name.as_ptr(), libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    assert!(slave >= 0);
    (master, slave)
}

#[test]
fn a_read_that_only_a_thread_can_wait_for_is_cancelled_too() {
    with_lane("terminal", |lane| {
        let (master, slave) = terminal();
        let mut buffer = [0; 64];
        for _ in 0..50 {
            let token = lane.start(&read(slave, &mut buffer));
            lane.turn(Some(Duration::from_millis(1)));
            let _ = lane.cancel(token);
            assert_eq!(lane.finish(token).result, -libc::ECANCELED);
        }
        let token = lane.start(&read(slave, &mut buffer));
        write_now(master, b"a line\n");
        assert_eq!(lane.finish(token).result, 7);
        close_now(slave);
        close_now(master);
    });
}

/// A write that waits on a thread is not interrupted: the drain ends all the same, and says what
/// is left; the thread finds its slot when it comes back.
#[test]
fn a_drain_does_not_wait_for_what_cannot_be_stopped() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lane = Lane::new("stuck", make).unwrap();
    let (master, slave) = terminal();
    let bytes = vec![b'x'; 1 << 20];
    let op = Op::on(Opcode::Write, slave).from(&bytes).offset(POSITION_CURRENT);
    let token = lane.start(&op);
    while lane.driver.pool().queued() > 0 {
        std::thread::yield_now();
    }
    let start = Instant::now();
    assert_eq!(lane.drain(Duration::from_millis(100)), 1);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(lane.answer(token).is_none());
    let home = lane.home.clone();
    drop(lane);
    let mut buffer = vec![0; 1 << 16];
    while !home.slab.slot(token).is_ready(token) {
        if lane::is_readable(master, Duration::from_millis(10)) {
            assert!(lane::read_now(master, &mut buffer) > 0);
        }
    }
    assert_eq!(home.slab.slot(token).peek(token).unwrap().result, 1 << 20);
    close_now(slave);
    close_now(master);
}
