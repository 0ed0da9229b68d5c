//! Attempts on the loop's own thread: what they answer, and what they leave alone.

#![expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]

mod support;

use std::fs;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::symlink;
use std::path::Path;
use support::{Folder, prepared, with};
use wakering_core::abi::{Opcode, POSITION_CURRENT, completion_flag};
use wakering_core::resource::Prepared;
use wakering_core::slab::FreeList;
use wakering_core::{Home, Token};
use wakering_poll_loop::Mounts;
use wakering_poll_loop::cached::{Attempt, attempt, support};
use wakering_poll_loop::syscalls;

/// One slot to try ops in, and a table of mounts.
struct Bench {
    home: Home,
    token: Token,
    mounts: Mounts,
}

impl Bench {
    fn new() -> Self {
        let home = Home::new(1).unwrap();
        let token = support::claim(&home, &mut FreeList::new(&home.slab));
        Self { home, token, mounts: Mounts::new() }
    }

    /// An attempt. A rename anywhere on the machine can spoil a lookup from the cache, so one that
    /// would block is made again.
    fn attempt(&self, op: Prepared, path: &Path) -> Attempt {
        let once = || {
            support::prepare(&self.home, self.token, op, path);
            with(&self.home, self.token, |resource| attempt(resource, &self.mounts))
        };
        (0..20).map(|_| once()).find(|a| *a != Attempt::WouldBlock).unwrap_or(Attempt::WouldBlock)
    }

    /// As a pool thread does it: that is where mounts are learned.
    fn carry_out(&self, op: Prepared, path: &Path) -> i32 {
        support::prepare(&self.home, self.token, op, path);
        with(&self.home, self.token, |resource| {
            let outcome = syscalls::carry_out(resource);
            syscalls::learn(resource, outcome, &self.mounts);
            outcome.result
        })
    }

    fn size(&self) -> u64 {
        with(&self.home, self.token, |resource| {
            let place = wakering_core::abi::statx::SIZE;
            let bytes = resource.back_bytes()[place..place + 8].try_into().unwrap();
            u64::from_le_bytes(bytes)
        })
    }
}

fn stat() -> Prepared {
    let mut op = prepared(Opcode::Statx, libc::AT_FDCWD);
    op.extra[0] = libc::STATX_BASIC_STATS;
    op
}

fn open(flags: i32) -> Prepared {
    let mut op = prepared(Opcode::OpenAt, libc::AT_FDCWD);
    op.op_flags = flags as u32;
    op
}

fn read(fd: i32, buffer: &mut [u8], offset: u64) -> Prepared {
    let mut op = prepared(Opcode::Read, fd);
    (op.address, op.length, op.offset) = (buffer.as_mut_ptr(), buffer.len() as u32, offset);
    op
}

fn result(attempt: Attempt) -> Option<i32> {
    let outcome = attempt.outcome()?;
    assert_eq!(outcome.flags, completion_flag::INLINE);
    Some(outcome.result)
}

/// Whether the kernel has what path attempts need, and the folder's mount can be remembered.
fn ready(bench: &Bench, folder: &Path) -> bool {
    if !support().lookup || !support().mount {
        eprintln!("SKIP: this kernel lacks RESOLVE_CACHED or tells no mounts");
        return false;
    }
    assert_eq!(bench.carry_out(stat(), folder), 0);
    match bench.attempt(stat(), folder) {
        Attempt::Answered(_) => true,
        other => {
            eprintln!("SKIP: the temporary folder's mount is not on the allow-list ({other:?})");
            false
        }
    }
}

#[test]
fn a_mount_is_asked_only_after_a_pool_thread_has_seen_it() {
    let (bench, folder) = (Bench::new(), Folder::new("mount"));
    let path = folder.file("data");
    fs::write(&path, "data").unwrap();
    // Before 6.8 a mount without a device has no identity that lasts, and stays forbidden.
    let before = [stat(), open(libc::O_RDONLY)].map(|op| bench.attempt(op, &path));
    assert!(before == [Attempt::UnknownMount; 2] || before == [Attempt::WouldBlock; 2]);
    if ready(&bench, &folder.file("")) {
        assert_eq!(result(bench.attempt(stat(), &path)), Some(0));
        assert_eq!(bench.size(), 4);
    }
    let _ = bench.carry_out(stat(), Path::new("/proc/self/stat"));
    assert_eq!(bench.attempt(stat(), Path::new("/proc/self/stat")), Attempt::WouldBlock);
}

/// What the cache says of a link. The first to follow it has to note when, and so has everybody in the same
/// tick of the kernel's clock as the link was made.
fn followed(bench: &Bench, link: &Path) -> Option<i32> {
    (0..100).find_map(|_| {
        let _ = bench.carry_out(stat(), link);
        result(bench.attempt(stat(), link)).or_else(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            None
        })
    })
}

#[test]
fn answers_what_the_cache_knows_of_names() {
    let (bench, folder) = (Bench::new(), Folder::new("names"));
    let [data, link, missing, looped] = ["data", "link", "missing", "loop"].map(|n| folder.file(n));
    fs::write(&data, "data").unwrap();
    symlink("data", &link).unwrap();
    symlink("loop", &looped).unwrap();
    if !ready(&bench, &folder.file("")) {
        return;
    }
    // A name that does not exist is known after the first look at it.
    assert_eq!(bench.carry_out(stat(), &missing), -libc::ENOENT);
    match bench.attempt(stat(), &missing) {
        Attempt::WouldBlock => eprintln!("SKIP: this file system does not keep absent names"),
        answer => assert_eq!(result(answer), Some(-libc::ENOENT)),
    }
    // The kernel makes sure of this one by asking, which a cached lookup does not.
    assert_eq!(bench.attempt(stat(), &data.join("below")), Attempt::WouldBlock);
    assert_eq!(followed(&bench, &looped), Some(-libc::ELOOP));
    assert_eq!(followed(&bench, &link), Some(0));
    assert_eq!(bench.size(), 4);
    let mut nofollow = stat();
    nofollow.op_flags = libc::AT_SYMLINK_NOFOLLOW as u32;
    assert_eq!(bench.carry_out(nofollow, &link), 0);
    assert_eq!(result(bench.attempt(nofollow, &link)), Some(0));
    assert_eq!(bench.size(), "data".len() as u64, "a link is as long as its target's name");
    let mut forced = stat();
    forced.op_flags = libc::AT_STATX_FORCE_SYNC as u32;
    assert_eq!(bench.attempt(forced, &data), Attempt::WouldBlock);
}

#[test]
fn stats_an_open_file() {
    let (bench, folder) = (Bench::new(), Folder::new("fstat"));
    let mut file = fs::File::create(folder.file("data")).unwrap();
    file.write_all(b"seven!!").unwrap();
    if ready(&bench, &folder.file("")) {
        let op = Prepared { fd: file.as_raw_fd(), ..stat() };
        assert_eq!(result(bench.attempt(op, Path::new(""))), Some(0));
        assert_eq!(bench.size(), 7);
    }
}

#[test]
fn checks_permissions_of_cached_names() {
    let (bench, folder) = (Bench::new(), Folder::new("access"));
    let path = folder.file("data");
    fs::write(&path, "").unwrap();
    if !ready(&bench, &folder.file("")) {
        return;
    }
    let access = |mode: i32| {
        let mut op = prepared(Opcode::Access, libc::AT_FDCWD);
        op.op_flags = mode as u32;
        op
    };
    assert_eq!(result(bench.attempt(access(libc::F_OK), &path)), Some(0));
    if support().access {
        assert_eq!(result(bench.attempt(access(libc::R_OK), &path)), Some(0));
        assert_eq!(result(bench.attempt(access(libc::X_OK), &path)), Some(-libc::EACCES));
    }
}

#[test]
fn opens_regular_files_and_nothing_that_could_wait() {
    let (bench, folder) = (Bench::new(), Folder::new("open"));
    let [data, link, fifo] = ["data", "link", "fifo"].map(|name| folder.file(name));
    fs::write(&data, "data").unwrap();
    symlink("data", &link).unwrap();
    support::make_fifo(&fifo);
    if !ready(&bench, &folder.file("")) {
        return;
    }
    for (flags, path) in [(libc::O_RDONLY, &data), (libc::O_RDWR | libc::O_APPEND, &link)] {
        assert_eq!(bench.carry_out(stat(), path), 0);
        let fd = result(bench.attempt(open(flags), path)).expect("it is in memory");
        // SAFETY: fcntl without memory.
        let now = unsafe { libc::fcntl(fd, libc::F_GETFL) };
        assert_eq!(now & (libc::O_NONBLOCK | libc::O_APPEND | libc::O_ACCMODE), flags);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) } & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        // SAFETY: the descriptor is the test's own.
        let mut file = unsafe { fs::File::from_raw_fd(fd) };
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "data");
    }
    assert_eq!(bench.attempt(open(libc::O_RDONLY), &fifo), Attempt::WouldBlock);
    assert_eq!(bench.attempt(open(libc::O_RDONLY), Path::new("/dev/null")), Attempt::WouldBlock);
    for flags in [libc::O_CREAT | libc::O_WRONLY, libc::O_TRUNC | libc::O_WRONLY] {
        assert_eq!(bench.attempt(open(flags), &data), Attempt::WouldBlock);
    }
    assert_eq!(fs::read(&data).unwrap(), b"data");
}

#[test]
fn closes_only_what_was_read() {
    let (bench, folder) = (Bench::new(), Folder::new("close"));
    let path = folder.file("data");
    fs::write(&path, "data").unwrap();
    if !ready(&bench, &folder.file("")) {
        return;
    }
    let close = |file: fs::File| {
        let fd = std::os::fd::IntoRawFd::into_raw_fd(file);
        let answered = bench.attempt(prepared(Opcode::Close, fd), Path::new("")).outcome();
        if answered.is_none() {
            assert_eq!(bench.carry_out(prepared(Opcode::Close, fd), Path::new("")), 0);
        }
        answered.map(|outcome| outcome.result)
    };
    assert_eq!(close(fs::File::open(&path).unwrap()), Some(0));
    assert_eq!(close(fs::OpenOptions::new().write(true).open(&path).unwrap()), None);
    let unlinked = fs::File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(close(unlinked), None, "its blocks are freed by the last close");
}

#[test]
fn reads_what_is_in_memory_and_knows_the_end() {
    let (bench, folder) = (Bench::new(), Folder::new("read"));
    let path = folder.file("data");
    let bytes: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    fs::write(&path, &bytes).unwrap();
    let mut file = fs::File::open(&path).unwrap();
    file.read_to_end(&mut Vec::new()).unwrap();
    file.rewind().unwrap();
    let fd = file.as_raw_fd();
    let mut buffer = vec![0; 20_000];
    let rows = [(0, 10_000), (4096, 5904), (9_999, 1), (10_000, 0), (12_288, 0)];
    for (offset, expected) in rows {
        match bench.attempt(read(fd, &mut buffer, offset), Path::new("")) {
            Attempt::Unsupported => return eprintln!("SKIP: no RWF_NOWAIT on this file system"),
            answer => assert_eq!(result(answer), Some(expected), "at {offset}"),
        }
        let start = offset.min(10_000) as usize;
        assert_eq!(buffer[..expected as usize], bytes[start..][..expected as usize]);
    }
    for expected in [6_000, 4_000, 0] {
        let op = read(fd, &mut buffer[..6_000], POSITION_CURRENT);
        assert_eq!(result(bench.attempt(op, Path::new(""))), Some(expected));
    }
    assert_eq!(file.stream_position().unwrap(), 10_000);
}

/// Half of the file is in memory: neither a short count nor a moved position may come of it.
#[test]
fn a_half_cached_read_changes_nothing() {
    let (bench, folder) = (Bench::new(), Folder::new("half"));
    let path = folder.file("data");
    fs::write(&path, vec![9; 8 << 20]).unwrap();
    let mut file = fs::File::open(&path).unwrap();
    file.sync_all().unwrap();
    let fd = file.as_raw_fd();
    // SAFETY: advice on a descriptor, no memory.
    let advised = unsafe { libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_DONTNEED) };
    // SAFETY: as above. Random: the kernel reads no further than it is asked.
    let random = unsafe { libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_RANDOM) };
    assert_eq!((advised, random), (0, 0));
    let mut buffer = vec![0; 1 << 20];
    // Two places, because an attempt makes the kernel fetch what it found missing.
    const HALF: u64 = 4 << 20;
    for place in [0, HALF] {
        file.seek(std::io::SeekFrom::Start(place)).unwrap();
        file.read_exact(&mut buffer[..4096]).unwrap();
    }
    file.seek(std::io::SeekFrom::Start(HALF)).unwrap();
    match bench.attempt(read(fd, &mut buffer, 0), Path::new("")) {
        Attempt::Unsupported => return eprintln!("SKIP: no RWF_NOWAIT on this file system"),
        Attempt::Answered(_) => return eprintln!("SKIP: this file system keeps its pages"),
        other => assert_eq!(other, Attempt::WouldBlock),
    }
    let op = read(fd, &mut buffer, POSITION_CURRENT);
    assert_eq!(bench.attempt(op, Path::new("")), Attempt::WouldBlock);
    assert_eq!(file.stream_position().unwrap(), HALF);
    assert_eq!(result(bench.attempt(read(fd, &mut buffer[..4096], 0), Path::new(""))), Some(4096));
}

#[test]
fn a_file_that_never_answers_says_so() {
    let bench = Bench::new();
    let file = fs::File::open("/proc/self/status").unwrap();
    let mut buffer = [0; 10];
    let op = read(file.as_raw_fd(), &mut buffer, 0);
    assert_eq!(bench.attempt(op, Path::new("")), Attempt::Unsupported);
}

/// An overlay mount, for who may make one; unmounted when dropped, before its folder.
struct Overlay(std::path::PathBuf, #[expect(dead_code, reason = "removed after it")] Folder);

impl Overlay {
    /// Over the layers of `folder`, as `options` names them. `None` where it cannot be mounted.
    fn new(folder: Folder, options: &str) -> Option<Self> {
        for name in ["lower", "upper", "work", "all"] {
            fs::create_dir(folder.file(name)).unwrap();
        }
        fs::write(folder.file("lower").join("data"), "data").unwrap();
        let point = folder.file("all");
        let mut mount = std::process::Command::new("mount");
        mount.current_dir(folder.file("")).args(["-t", "overlay", "overlay", "-o", options]);
        if !mount.arg(&point).output().is_ok_and(|output| output.status.success()) {
            eprintln!("SKIP: no overlay can be mounted here");
            return None;
        }
        Some(Self(point, folder))
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn an_overlay_is_asked_where_its_layers_are_known_and_never_copies_one_up() {
    let (bench, folder) = (Bench::new(), Folder::new("overlay"));
    if !ready(&bench, &folder.file("")) {
        return;
    }
    let [lower, upper, work] = ["lower", "upper", "work"].map(|n| folder.file(n));
    let (lower, upper, work) = (lower.display(), upper.display(), work.display());
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let Some(overlay) = Overlay::new(folder, &options) else { return };
    let data = overlay.0.join("data");
    assert_eq!(bench.carry_out(stat(), &data), 0);
    assert_eq!(result(bench.attempt(stat(), &data)), Some(0));
    assert_eq!(bench.attempt(open(libc::O_RDWR), &data), Attempt::WouldBlock);
    let fd = result(bench.attempt(open(libc::O_RDONLY), &data)).unwrap();
    // SAFETY: just opened, and nobody else's.
    drop(unsafe { fs::File::from_raw_fd(fd) });
}

#[test]
fn an_overlay_whose_layers_are_named_by_another_is_not_asked() {
    let (bench, folder) = (Bench::new(), Folder::new("relative"));
    let options = "lowerdir=lower,upperdir=upper,workdir=work";
    let Some(overlay) = Overlay::new(folder, options) else { return };
    let data = overlay.0.join("data");
    assert_eq!(bench.carry_out(stat(), &data), 0);
    assert_eq!(bench.attempt(stat(), &data), Attempt::WouldBlock);
}
