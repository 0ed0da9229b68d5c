//! What others shipped as bugs where there are several rings, or threads of the kernel's beside one.

mod support;

use std::fs;
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::net::every_personality;
use support::{Folder, Lane, alone, pipe, skip, transfer, write_to};
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::resource::Prepared;
use wakering_core::{Completion, Driver, Error, Token};
use wakering_uring_loop::{SharedSqpoll, Sqpoll, UringConfig};

const NOP: Prepared = Prepared::new(Opcode::Nop);

/// Two lanes of each personality; the last ones share an SQ thread.
fn pairs(slots: u32) -> Vec<[Lane; 2]> {
    let share = SharedSqpoll::new();
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: Some(share) };
    let configs = [
        UringConfig::inline(slots),
        UringConfig::worker(slots),
        UringConfig::inline(slots).with_sqpoll(sqpoll),
    ];
    let pair =
        |config: UringConfig| Some([Lane::new(slots, config.clone())?, Lane::new(slots, config)?]);
    configs.into_iter().filter_map(pair).collect()
}

/// R9. Both have the same tokens in flight, and a turn of one never brings what the other has.
#[test]
fn r9_a_turn_brings_only_what_its_own_ring_has() {
    let _alone = alone();
    const OPS: usize = 16;
    for mut lanes in pairs(OPS as u32) {
        let pipes = [pipe(), pipe()];
        let mut bytes = [[[0u8; 1]; OPS]; 2];
        let mut begun: [Vec<Token>; 2] = Default::default();
        for (number, lane) in lanes.iter_mut().enumerate() {
            let fd = pipes[number].0.as_raw_fd();
            for byte in &mut bytes[number] {
                begun[number].push(lane.start(transfer(Opcode::Read, fd, byte, u64::MAX)));
            }
            lane.turn(Some(Duration::ZERO));
        }
        assert_eq!(begun[0], begun[1], "the same slots of either");
        for (number, other) in [(1, 0), (0, 1)] {
            write_to(&pipes[number].1, &[number as u8 + 1; OPS]);
            for _ in 0..5 {
                lanes[other].turn(Some(Duration::from_millis(1)));
            }
            // The first time nothing had come for the other one; the second time it had all of its own.
            let before = if number == 1 { 0 } else { OPS };
            assert_eq!(lanes[other].done.len(), before, "somebody else's");
            while lanes[number].done.len() < OPS {
                lanes[number].turn(Some(Duration::from_secs(10)));
            }
        }
        for (number, lane) in lanes.iter_mut().enumerate() {
            let done = std::mem::take(&mut lane.done);
            assert_eq!(done.len(), OPS, "each once");
            assert!(done.iter().all(|(_, outcome)| outcome.result == 1));
            assert!(bytes[number].iter().all(|&byte| byte == [number as u8 + 1]));
            done.into_iter().for_each(|(token, _)| lane.take(token));
            assert_eq!(lane.driver.in_flight(), 0);
        }
    }
}

/// A place in one ring's table says nothing to another: so an op stays with the loop that it was made for,
/// whoever awaits it.
#[test]
fn what_is_registered_with_one_ring_is_nothing_to_another() {
    let _alone = alone();
    for [mut one, mut other] in pairs(4) {
        let folder = Folder::new();
        fs::write(folder.join("file"), b"0123456789").unwrap();
        let file = fs::File::open(folder.join("file")).unwrap();
        let mut memory = vec![0u8; 4096];
        let place = match one.driver.register_file(file.as_raw_fd()) {
            Ok(place) => place,
            Err(error) => return skip(format_args!("no table of files: {error:?}")),
        };
        let by_place =
            Prepared { fixed_file: place, ..transfer(Opcode::Read, -1, &mut memory[..4], 3) };
        assert_eq!((one.run(by_place), other.run(by_place)), (4, -libc::EBADF));
        // SAFETY: `memory` outlives the lane's use of it.
        let buffer = match unsafe { one.driver.register_buffer(memory.as_mut_ptr(), 4096) } {
            Err(Error::Os(libc::ENOMEM)) => return skip("locked memory is short"),
            buffer => buffer.unwrap(),
        };
        let into = transfer(Opcode::Read, file.as_raw_fd(), &mut memory[..4], 3);
        let into = Prepared { registered: buffer, ..into };
        assert_eq!((one.run(into), other.run(into)), (4, -libc::EFAULT));
    }
}

const SQPOLL: u32 = 1 << 1;
const COOP_TASKRUN: u32 = 1 << 8;
const SINGLE_ISSUER: u32 = 1 << 12;
const DEFER_TASKRUN: u32 = 1 << 13;

/// What the kernel answers to a ring with these flags: zero, or the errno.
fn set_up(flags: u32) -> i32 {
    // `struct io_uring_params`: 30 words, the third of them the flags.
    let mut params = [0u32; 30];
    params[2] = flags;
    // SAFETY: the kernel reads and writes the parameters during the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, params.as_mut_ptr()) };
    if fd < 0 {
        return std::io::Error::last_os_error().raw_os_error().unwrap();
    }
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { libc::close(fd as i32) };
    0
}

/// The kernel takes either, never both: who asks for a thread of its own and for an SQ thread has a ring
/// of the second kind, and not an error or the first kind in silence.
#[test]
fn sqpoll_and_deferred_work_exclude_each_other() {
    let _alone = alone();
    if set_up(SQPOLL) != 0 || set_up(SINGLE_ISSUER | DEFER_TASKRUN) != 0 {
        return skip("this kernel gives not each of them alone");
    }
    for with in [SINGLE_ISSUER | DEFER_TASKRUN, COOP_TASKRUN] {
        assert_eq!(set_up(SQPOLL | with), libc::EINVAL, "{with:#x}");
    }
    let sqpoll = Sqpoll { cpu: None, idle_ms: 20, share: None };
    let Some(mut lane) = Lane::new(4, UringConfig::worker(4).with_sqpoll(sqpoll)) else { return };
    assert!(lane.driver.has_sq_thread());
    assert!(lane.driver.given_up().iter().all(|feature| feature.name != "sqpoll"));
    assert_eq!(lane.run(NOP), 0);
}

/// A message completes nowhere here (CQE_SKIP_SUCCESS); as a link of a chain such an entry hung. It goes
/// before a chain that is begun, or behind it.
#[test]
fn a_message_is_no_link_of_a_chain() {
    let _alone = alone();
    for [mut lane, mut other] in pairs(16) {
        if !other.home.has_ring() {
            return skip("this kernel has no messages from ring to ring");
        }
        let bad = Prepared { fd: -1, ..Prepared::new(Opcode::Read) };
        for round in 0..200 {
            let linked = |op| Prepared { flags: op_flag::LINK, ..op };
            let first = if round % 2 == 0 { bad } else { NOP };
            let mut chain = vec![lane.start(linked(first))];
            lane.driver.ring(&other.home);
            chain.push(lane.start(linked(NOP)));
            lane.driver.ring(&other.home);
            chain.push(lane.start(NOP));
            lane.driver.publish().unwrap();
            let results: Vec<_> = chain.into_iter().map(|token| lane.result(token)).collect();
            let cancelled = -libc::ECANCELED;
            let expected = [[-libc::EBADF, cancelled, cancelled], [0; 3]][round % 2];
            assert_eq!(results, expected, "round {round}");
            assert_eq!(other.turn(None), 0, "it was rung");
        }
        assert_eq!((lane.driver.in_flight(), lane.driver.counters().stale), (0, 0));
    }
}

/// Threads of the kernel's that carry out what a ring cannot do at once.
fn kernel_workers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with("iou-wrk")).count()
}

/// Each op that blocks takes a thread of the kernel's, as many as there are, unless a bound is set.
#[test]
fn blocked_ops_take_no_more_kernel_threads_than_allowed() {
    let _alone = alone();
    const OPS: u32 = 16;
    let config = UringConfig { io_wq_workers_max: Some([2, 2]), ..UringConfig::inline(OPS) };
    let Some(mut lane) = Lane::new(OPS, config) else { return };
    if let Some(lacks) =
        lane.driver.given_up().iter().find(|lacks| lacks.name == "io_wq_workers_max")
    {
        return skip(format_args!("io_wq_workers_max: {:?}", lacks.reason));
    }
    let folder = Folder::new();
    let fifo = folder.join("fifo");
    let name = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: the name is terminated and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let open = Prepared {
        flags: op_flag::ASYNC,
        fd: libc::AT_FDCWD,
        op_flags: libc::O_RDONLY as u32,
        ..Prepared::new(Opcode::OpenAt)
    };
    for _ in 0..OPS {
        lane.start_on_paths(open, &[&fifo]);
    }
    let mut most = 0;
    for _ in 0..50 {
        lane.turn(Some(Duration::from_millis(1)));
        most = most.max(kernel_workers());
    }
    assert!((1..=4).contains(&most), "{most} threads");
    let mut results = Vec::new();
    let mut sink = |completion: Completion| results.push(completion.outcome.result);
    let drained = lane.driver.drain(Duration::from_secs(20), &mut sink);
    assert_eq!((drained.still_in_flight, results), (0, vec![-libc::ECANCELED; OPS as usize]));
}

/// M8. A ring calls a file ready that never waits; epoll refuses it, and so does this driver. A regular
/// file that can be waited for is.
#[test]
fn m8_a_regular_file_is_never_ready() {
    let _alone = alone();
    for mut lane in every_personality(4) {
        for (name, is_refused) in
            [("/proc/self/exe", true), ("/", true), ("/proc/self/mountinfo", false)]
        {
            let file = fs::File::open(name).unwrap();
            for flags in [0, op_flag::MULTISHOT] {
                let poll =
                    Prepared { fd: file.as_raw_fd(), flags, ..Prepared::new(Opcode::PollAdd) };
                let token = lane.start(Prepared { op_flags: libc::POLLPRI as u32, ..poll });
                if !is_refused {
                    lane.turn(Some(Duration::from_millis(1)));
                    assert!(!lane.home.slab.slot(token).is_ready(token), "no mount came or went");
                    let _ = lane.cancel(token).unwrap();
                }
                let expected = if is_refused { -libc::EPERM } else { -libc::ECANCELED };
                assert_eq!(lane.result(token), expected, "{name}");
            }
        }
    }
}

/// Gives the calling thread, and no other, the rights of a user without any.
fn become_nobody() -> bool {
    const NOBODY: libc::uid_t = 65_534;
    let same = libc::uid_t::MAX;
    // SAFETY: takes numbers only; the system call changes one thread, unlike the function of libc.
    unsafe { libc::syscall(libc::SYS_setresuid, same, NOBODY, same) == 0 }
}

/// What an SQ thread does, it does as who made the ring, whatever became of that thread since: a program that
/// gives up its rights makes its rings afterwards. That takes no rights.
#[test]
fn an_sq_thread_has_the_rights_of_who_made_the_ring() {
    let _alone = alone();
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.join("secret");
    fs::write(&path, b"secret").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let opened_by_nobody = || {
        let open = Prepared { fd: libc::AT_FDCWD, ..Prepared::new(Opcode::OpenAt) };
        let mut made_before = every_personality(4);
        if !become_nobody() || fs::File::open(&path).is_ok() {
            return skip("this test needs root's rights to give up");
        }
        for lane in &mut made_before {
            match lane.run_on_paths(open, &[&path]) {
                fd @ 0.. if lane.driver.has_sq_thread() => {
                    assert_eq!(lane.run(Prepared { fd, ..Prepared::new(Opcode::Close) }), 0);
                }
                result => assert_eq!((result, lane.driver.has_sq_thread()), (-libc::EACCES, false)),
            }
        }
        for (before, mut after) in made_before.iter().zip(every_personality(4)) {
            assert_eq!(after.driver.has_sq_thread(), before.driver.has_sq_thread());
            assert_eq!(after.run_on_paths(open, &[&path]), -libc::EACCES);
        }
    };
    std::thread::scope(|scope| scope.spawn(opened_by_nobody).join().unwrap());
}
