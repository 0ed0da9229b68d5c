//! How often an op on a file allocates once its loop is warm, on any thread: never, but for what it hands
//! over.
//!
//! | op | allocations |
//! |---|---|
//! | read and write at a place or at the own position, statx, fsync, one dropped in flight | 0 |
//! | open | 1: what the file is shared by |
//! | names of up to 255 bytes | 0 |
//! | several buffers | 0: their list goes along too |
//! | a buffer of the runtime's pool: taken, read into, written, given back, dropped in flight | 0 |

#[path = "../../core/tests/support/counting.rs"]
#[allow(dead_code, reason = "bytes are not of interest")]
mod counting;
#[path = "support/files.rs"]
mod files;

use counting::allocations;
use files::{Folder, drivers};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use wakering::buf::FixedBufPool;
use wakering::fs::{self, File};

const WARM: u64 = 2_000;
const OPS: u64 = 20_000;

/// Allocations of many rounds, when as many have gone before.
async fn count(mut round: impl AsyncFnMut(u64)) -> u64 {
    for number in 0..WARM {
        round(number).await;
    }
    let before = allocations();
    for number in 0..OPS {
        round(number).await;
    }
    allocations() - before
}

async fn ops_that_move_data(folder: &Folder) {
    let path = folder.path("file");
    let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
    file.set_len(1 << 20).await.unwrap();
    let mut buffer = vec![1; 4096];
    let moved = count(async |number| {
        let place = number % 200 * 4096;
        let (written, filled) = file.write_at(std::mem::take(&mut buffer), place).await;
        assert_eq!(written.unwrap(), 4096);
        let (read, filled) = file.read_at(filled, place).await;
        assert_eq!(read.unwrap(), 4096);
        let (written, filled) = file.write(filled).await;
        assert_eq!(written.unwrap(), 4096);
        buffer = filled;
    });
    assert_eq!(moved.await, 0, "read_at, write_at, write");
    let mut buffers = vec![vec![1; 100]; 10];
    let moved = count(async |number| {
        let (written, filled) = file.writev_at(std::mem::take(&mut buffers), number % 1000).await;
        assert_eq!(written.unwrap(), 1000);
        let (read, filled) = file.readv_at(filled, number % 1000).await;
        assert_eq!(read.unwrap(), 1000);
        buffers = filled;
    });
    assert_eq!(moved.await, 0, "readv_at, writev_at");
}

async fn ops_of_names(folder: &Folder) {
    let (path, other) = (folder.path("name"), folder.path("other"));
    File::create(&path).await.unwrap();
    let asked = count(async |_| {
        fs::metadata(&path).await.unwrap();
        assert!(!fs::exists(&other).await.unwrap());
    });
    assert_eq!(asked.await, 0, "metadata, exists");
    let changed = count(async |number| {
        let names = if number % 2 == 0 { (&path, &other) } else { (&other, &path) };
        fs::rename(names.0, names.1).await.unwrap();
    });
    assert_eq!(changed.await, 0, "rename");
    let opened = count(async |_| drop(File::open(&path).await.unwrap()));
    assert_eq!(opened.await, OPS, "open, close: one for what the file is shared by");
}

async fn reads_that_are_dropped() {
    let (read, _write) = std::io::pipe().unwrap();
    let read = File::from(std::os::fd::OwnedFd::from(read));
    // The memory of a read that is dropped goes with it.
    let dropped = count(async |_| {
        let mut reading = pin!(read.read(Vec::<u8>::with_capacity(64)));
        let pending = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    });
    assert_eq!(dropped.await, OPS, "one for each buffer that the test makes");
}

async fn ops_on_fixed_buffers(folder: &Folder, pool: &FixedBufPool) {
    let path = folder.path("fixed");
    let file = File::options().read(true).write(true).create(true).open(&path).await.unwrap();
    file.set_len(1 << 20).await.unwrap();
    let (empty, _write) = std::io::pipe().unwrap();
    let empty = File::from(std::os::fd::OwnedFd::from(empty));
    let moved = count(async |number| {
        let place = number % 200 * 4096;
        let (read, filled) = file.read_at(pool.take().await, place).await;
        assert_eq!(read.unwrap(), 4096);
        let (written, _) = file.write_at(filled, place).await;
        assert_eq!(written.unwrap(), 4096);
        let mut reading = pin!(empty.read(pool.take().await));
        let pending = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    });
    assert_eq!(moved.await, 0, "read_at, write_at, one dropped in flight");
}

#[test]
fn ops_on_files_do_not_allocate() {
    for builder in drivers() {
        let runtime = builder.registered_buffers(4, 4096).build_local().unwrap();
        let folder = Folder::new();
        runtime.block_on(async {
            ops_that_move_data(&folder).await;
            ops_of_names(&folder).await;
            reads_that_are_dropped().await;
            ops_on_fixed_buffers(&folder, runtime.buffers().unwrap()).await;
        });
    }
}
