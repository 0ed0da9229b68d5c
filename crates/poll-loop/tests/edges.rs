//! Edges that stay: files that are closed and come back under the same number, ends that come together
//! with the last bytes, and many sockets of which one is busy.

#[path = "support/net.rs"]
mod net;

use net::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wakering_core::Driver;
use wakering_core::abi::{HandleId, Opcode};
use wakering_core::random::Random;
use wakering_core::resource::Prepared;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Numbers of descriptors are looked at: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

const HANDLES: [Option<u32>; 2] = [None, Some(5)];

/// The file's handle, if it has one: in the `generation`th use of its place.
fn of(mut op: Prepared, handle: Option<u32>, generation: u32) -> Prepared {
    op.handle = handle.map_or(HandleId::NONE, |index| HandleId { index, generation });
    op
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

/// Closed behind the driver's back, and open again as something else.
#[test]
fn a_number_that_comes_back_is_another_file() {
    let _alone = alone();
    let mut net = Net::new(8);
    for handle in HANDLES {
        let mut number = None;
        for generation in 0..200 {
            let (one, mut other) = UnixStream::pair().unwrap();
            let fd = one.as_raw_fd();
            assert_eq!(*number.get_or_insert(fd), fd, "the same number again");
            let mut room = [0; 4];
            for _ in 0..2 {
                let token = net.start(of(recv(fd, &mut room), handle, generation));
                net.turn(std::time::Duration::ZERO);
                other.write_all(b"here").unwrap();
                assert_eq!(net.finish(token).result, 4);
            }
            // Some leave a copy, so that the old file goes on being reported.
            if generation % 3 == 0 {
                let copy = one.try_clone().unwrap();
                drop(one);
                other.write_all(b"old").unwrap();
                net.turn(std::time::Duration::ZERO);
                drop(copy);
            }
        }
    }
    net.end();
}

#[test]
fn l25_a_close_ends_what_waits_for_the_file() {
    let _alone = alone();
    let mut net = Net::new(8);
    for handle in HANDLES {
        let (one, mut other) = UnixStream::pair().unwrap();
        let fd = one.into_raw_fd();
        let mut rooms = [[0; 4]; 2];
        let reads = rooms.each_mut().map(|room| of(recv(fd, room), handle, 1));
        let tokens = reads.map(|op| net.start(op));
        assert_eq!(net.result(op(Opcode::Close, fd)), 0);
        for token in tokens {
            assert_eq!(net.finish(token).result, -libc::ECANCELED);
        }
        assert_eq!(other.read(&mut [0; 4]).unwrap(), 0, "it is closed");
    }
    net.end();
}

/// The last bytes and the end, or a reset, are one report: the end is not overlooked.
#[test]
fn an_end_that_comes_with_the_last_bytes_is_seen() {
    let _alone = alone();
    let mut net = Net::new(8);
    let mut room = [0; 64];
    for generation in 0..100 {
        let (one, mut other) = tcp();
        let fd = one.as_raw_fd();
        let token = net.start(of(recv(fd, &mut room), Some(1), generation));
        net.turn(std::time::Duration::ZERO);
        other.write_all(b"the last").unwrap();
        match generation % 3 {
            0 => drop(other),
            1 => other.shutdown(Shutdown::Write).unwrap(),
            _ => {
                assert_eq!(net.finish(token).result, 8);
                let next = net.start(of(recv(fd, &mut room), Some(1), generation));
                drop(other);
                assert_eq!(net.finish(next).result, 0);
                continue;
            }
        }
        assert_eq!(net.finish(token).result, 8);
        assert_eq!(net.result(of(recv(fd, &mut room), Some(1), generation)), 0);
    }
    net.end();
}

/// Bytes in pieces of any size into rooms of any size, with cancels in between: none is lost, and no
/// reader sleeps while there is something.
#[test]
fn numbered_bytes_arrive_once_whatever_is_cancelled() {
    let _alone = alone();
    let mut random = Random::new(7);
    for (handle, bytes) in [(None, 40_000), (Some(3), 400_000)] {
        let mut net = Net::new(8);
        let (one, mut other) = tcp();
        other.set_nonblocking(true).unwrap();
        let fd = one.as_raw_fd();
        let sent: Vec<u8> = (0..bytes).map(|i: u32| (i ^ (i >> 8)) as u8).collect();
        let (mut written, mut seen, mut room) = (0, Vec::new(), [0; 3000]);
        while seen.len() < sent.len() {
            let length = 1 + random.below(3000) as usize;
            let token = net.start(of(recv(fd, &mut room[..length]), handle, 1));
            if random.below(2) == 0 || seen.len() == written {
                let end = sent.len().min(written + 1 + random.below(4000) as usize);
                written += other.write(&sent[written..end]).unwrap_or(0);
            }
            if random.below(4) == 0 {
                let _ = net.cancel(token);
            }
            match net.finish(token).result {
                count @ 0.. => seen.extend_from_slice(&room[..count as usize]),
                result => assert_eq!(result, -libc::ECANCELED),
            }
        }
        assert!(seen == sent);
        net.end();
    }
}

/// Looks at a few descriptors cost what looks at five thousand do: one call for what is ready.
#[test]
#[expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn l11_five_thousand_idle_sockets_cost_a_busy_one_nothing() {
    let _alone = alone();
    let count = raise_descriptors(5_200);
    if count < 5_200 {
        eprintln!("SKIP: {count} descriptors are allowed, not 5,200");
        return;
    }
    let mut enters = Vec::new();
    for idle in [50, 5_000] {
        let mut net = Net::new(8_192);
        let sockets: Vec<_> = (0..idle).map(|_| UnixDatagram::unbound().unwrap()).collect();
        let mut rooms = vec![[0; 4]; idle];
        let reads = sockets.iter().zip(&mut rooms);
        let waiting: Vec<_> =
            reads.map(|(socket, room)| net.start(recv(socket.as_raw_fd(), room))).collect();
        // Each is reported once, because it can be written to.
        for _ in 0..idle / 16 + 1 {
            assert_eq!(net.turn(std::time::Duration::ZERO), 0);
        }
        let (hot, mut other) = UnixStream::pair().unwrap();
        let mut room = [0; 4];
        let before = net.driver.enters();
        for _ in 0..1_000 {
            let token = net.start(recv(hot.as_raw_fd(), &mut room));
            other.write_all(b"ping").unwrap();
            assert_eq!(net.finish(token).result, 4);
        }
        enters.push(net.driver.enters() - before);
        for token in waiting {
            let _ = net.cancel(token);
            net.finish(token);
        }
        net.end();
    }
    assert_eq!(enters[0], enters[1]);
    assert!(enters[0] <= 2_000, "{enters:?}");
}

/// The most descriptors that may be open, after asking for more.
fn raise_descriptors(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is a local.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    limit.rlim_cur = limit.rlim_cur.max(wanted.min(limit.rlim_max));
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    limit.rlim_cur
}

/// More files one after the other than the table of watches has places.
#[test]
fn files_come_and_go_beyond_the_room_for_watches() {
    let _alone = alone();
    let mut net = Net::new(4);
    let pairs: Vec<_> = (0..50).map(|_| UnixStream::pair().unwrap()).collect();
    let mut room = [0; 4];
    for round in 0..4 {
        for (index, (one, other)) in pairs.iter().enumerate() {
            let fd: RawFd = one.as_raw_fd();
            let handle = (round % 2 == 0).then_some(index as u32);
            let token = net.start(of(recv(fd, &mut room), handle, 1));
            net.turn(std::time::Duration::ZERO);
            let mut writer = other;
            writer.write_all(b"x").unwrap();
            assert_eq!(net.finish(token).result, 1);
        }
    }
    net.end();
}
