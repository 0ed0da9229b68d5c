//! Buffers that the user may not lock. A test of its own process, whose limit it lowers.

use wakering::{DriverChoice, Runtime};

const CAP_IPC_LOCK: u32 = 14;
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header(u32, i32);

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Has this thread no right to lock more than the limit.
fn give_up_the_right_to_lock() {
    let mut header = Header(VERSION_3, 0);
    let mut sets = [Sets::default(); 2];
    // SAFETY: both are of the kernel's layout for this version.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
    sets[0].effective &= !(1 << CAP_IPC_LOCK);
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
#[expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn without_locked_memory_the_buffers_are_memory_like_all_and_the_runtime_says_so() {
    give_up_the_right_to_lock();
    let limit = libc::rlimit { rlim_cur: 2 << 20, rlim_max: 2 << 20 };
    // SAFETY: a valid limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) }, 0);
    let builder = Runtime::builder().driver(DriverChoice::Uring).slots(64);
    let runtime = match builder.registered_buffers(64, 64 << 10).build_local() {
        Ok(runtime) => runtime,
        Err(why) => return eprintln!("SKIP: no ring here: {why}"),
    };
    let features = &runtime.capabilities().features;
    let feature = features.iter().find(|feature| feature.name == "fixed_buffers").unwrap();
    eprintln!("{feature:?}");
    assert!(!feature.available && feature.reason.is_some());
    let path = std::env::temp_dir().join(format!("wakering-locked-{}", std::process::id()));
    runtime.block_on(async {
        let mut buffer = runtime.buffers().unwrap().take().await;
        buffer.set_len(64 << 10);
        buffer.fill(7);
        let mut options = wakering::fs::File::options();
        let file = options.read(true).write(true).create(true).open(&path).await.unwrap();
        let (written, mut buffer) = file.write_all_at(buffer, 0).await;
        written.unwrap();
        buffer.fill(0);
        let (read, buffer) = file.read_at(buffer, 0).await;
        assert_eq!((read.unwrap(), buffer.iter().all(|&byte| byte == 7)), (64 << 10, true));
    });
    std::fs::remove_file(&path).unwrap();
}
