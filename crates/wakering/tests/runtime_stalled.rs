//! Threads of the pool that are stuck in a system call: who is behind one and gives up is withdrawn, who is
//! stuck and gives up is undone, and sockets do not notice. Without a ring an open of a FIFO is such a call,
//! until somebody opens its other end.

use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wakering::cancel::{CancelToken, with_cancel};
use wakering::fs::{self, File};
use wakering::task::{LocalJoinHandle, spawn_local, yield_now};
use wakering::time::sleep;
use wakering::{DriverChoice, LocalRuntime, Runtime};

#[path = "support/around.rs"]
mod around;
#[path = "support/files.rs"]
mod files;

use around::{glance, pair, until};
use files::{Folder, drivers};

fn without_a_ring(threads: usize) -> LocalRuntime {
    let builder = Runtime::builder().driver(DriverChoice::Poll).slots(64);
    builder.pool_threads(threads).build_local().unwrap()
}

fn fifo(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.path(name);
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is terminated and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    path
}

/// Begins to open it, which takes a thread of the pool.
async fn stick(path: &Path) -> LocalJoinHandle<std::io::Result<File>> {
    let path = path.to_path_buf();
    let stuck = spawn_local(async move { File::open(path).await });
    let _others = yield_now().await;
    stuck
}

/// Opens the other end. It waits for the stuck thread, whether that is in its call already or not.
fn release(path: &Path) -> std::fs::File {
    OpenOptions::new().write(true).open(path).unwrap()
}

/// Descriptors of this process that name something in the folder.
fn open_in(folder: &Folder) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let named = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    named.filter(|name| name.starts_with(folder)).count()
}

#[test]
fn v10_an_unlink_that_is_given_up_behind_a_stuck_open_never_begins() {
    let runtime = without_a_ring(1);
    runtime.block_on(async {
        let folder = Folder::new();
        let stuck = fifo(&folder, "stuck");
        let [dropped, asked, kept] = ["dropped", "asked", "kept"].map(|name| folder.path(name));
        for path in [&dropped, &asked, &kept] {
            std::fs::write(path, b"here").unwrap();
        }
        let blocker = stick(&stuck).await;
        assert!(glance(200, fs::remove_file(&dropped)).await.is_none(), "it waits in the queue");
        let token = CancelToken::new();
        let cancelling = spawn_local({
            let token = token.clone();
            async move {
                sleep(Duration::from_millis(2)).await;
                token.cancel();
            }
        });
        let refused = with_cancel(&token, fs::remove_file(&asked)).await.unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECANCELED));
        cancelling.await.unwrap();
        assert!(!blocker.is_finished(), "answered before its turn came");
        let mut last = Box::pin(fs::remove_file(&kept));
        assert!(glance(200, &mut last).await.is_none());
        let writer = release(&stuck);
        blocker.await.unwrap().unwrap();
        // The thread has everything in its order: what was before this one is over.
        last.await.unwrap();
        assert!(dropped.exists() && asked.exists() && !kept.exists());
        drop(writer);
    });
}

/// The thread is interrupted, or it has opened the file when it hears of it: then it closes it.
#[test]
fn v11_a_stuck_open_that_is_given_up_while_it_comes_through_leaves_no_descriptor() {
    let runtime = without_a_ring(2);
    let ops = runtime.scheduler().ops().unwrap().clone();
    runtime.block_on(async {
        let folder = Folder::new();
        let stuck = fifo(&folder, "stuck");
        for round in 0..200 {
            let path = stuck.clone();
            // It finds no reader where the open was given up before.
            let releasing = std::thread::spawn(move || {
                (0..round % 7 * 20).for_each(|_| std::thread::yield_now());
                let flags = libc::O_NONBLOCK;
                use std::os::unix::fs::OpenOptionsExt;
                OpenOptions::new().write(true).custom_flags(flags).open(path).is_ok()
            });
            let _opened = glance(1 + round % 60, File::open(&stuck)).await;
            let _came_through = releasing.join().unwrap();
            until("the last completion", || ops.in_flight() == 0).await;
            assert_eq!(open_in(&folder), 0, "round {round}");
        }
    });
}

/// What fails has done nothing, so nothing is undone.
#[test]
fn v11_a_link_that_fails_and_is_given_up_leaves_the_name_that_was_there() {
    for builder in drivers() {
        let runtime = builder.build_local().unwrap();
        let ops = runtime.scheduler().ops().unwrap().clone();
        runtime.block_on(async {
            let folder = Folder::new();
            let [original, there] = ["original", "there"].map(|name| folder.path(name));
            std::fs::write(&original, b"original").unwrap();
            std::fs::write(&there, b"there").unwrap();
            for round in 0..200 {
                if let Some(linked) = glance(round % 8, fs::hard_link(&original, &there)).await {
                    assert_eq!(linked.unwrap_err().raw_os_error(), Some(libc::EEXIST));
                }
            }
            until("the last completion", || ops.in_flight() == 0).await;
            assert_eq!(std::fs::read(&there).unwrap(), b"there");
            let metadata = std::fs::metadata(&original).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::nlink(&metadata), 1);
        });
    }
}

/// All threads for files are stuck, and more files wait for one: sockets and timers need none.
#[test]
fn m4_files_that_keep_every_thread_waiting_keep_no_socket_waiting() {
    let runtime = without_a_ring(2);
    runtime.block_on(async {
        let folder = Folder::new();
        let stuck = ["one", "two"].map(|name| fifo(&folder, name));
        let mut blockers = Vec::new();
        for path in &stuck {
            blockers.push(stick(path).await);
        }
        let made = folder.path("made");
        let making = spawn_local(async move { fs::create_dir(made).await });
        let (client, server) = pair().await;
        let mut memory = Vec::with_capacity(64);
        for round in 0..1_000 {
            memory.clear();
            memory.extend_from_slice(&[round as u8; 64]);
            client.write_all(memory).await.0.unwrap();
            memory = server.read_exact(Vec::with_capacity(64)).await.1;
            assert_eq!(memory, [round as u8; 64]);
            if round % 100 == 0 {
                sleep(Duration::from_micros(100)).await;
            }
        }
        assert!(!making.is_finished() && blockers.iter().all(|blocker| !blocker.is_finished()));
        let writers = stuck.each_ref().map(|path| release(path));
        for blocker in blockers {
            blocker.await.unwrap().unwrap();
        }
        making.await.unwrap().unwrap();
        drop(writers);
    });
}
