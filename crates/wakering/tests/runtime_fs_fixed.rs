//! Buffers of a pool, whose memory the rings have registered.

#![expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]

#[allow(dead_code, reason = "here with all personalities")]
#[path = "support/files.rs"]
mod files;

use files::{Folder, personalities};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use wakering::buf::{FixedBuf, FixedBufPool};
use wakering::engine::FeatureReport;
use wakering::fs::{self, File};
use wakering::task::yield_now;
use wakering::{Builder, Capabilities, Runtime};

const COUNT: usize = 8;
/// More than is attempted from memory: the op goes to the loop.
const BYTES: usize = 256 << 10;

fn fixed_buffers(capabilities: &Capabilities) -> &FeatureReport {
    let mut features = capabilities.features.iter();
    features.find(|feature| feature.name == "fixed_buffers").unwrap()
}

fn with_buffers(builder: Builder) -> Builder {
    builder.registered_buffers(COUNT, BYTES)
}

/// One thread, or workers with one loop among them; and each task's pool.
fn several(builder: Builder) -> Runtime {
    with_buffers(builder).workers(3).loops(1).build().unwrap()
}

async fn file_of(folder: &Folder, name: &str) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).open(folder.path(name)).await.unwrap()
}

/// Polls once, and drops.
async fn begin<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

async fn there_and_back(folder: Folder, pool: FixedBufPool) {
    let file = file_of(&folder, "file").await;
    for bytes in [1, 4096, 5000, BYTES] {
        let content: Vec<u8> = (0..bytes).map(|number| number as u8).collect();
        let mut buffer = pool.take().await;
        buffer.extend_from_slice(&content);
        let (written, mut buffer) = file.write_all_at(buffer, 10).await;
        written.unwrap();
        buffer.fill(0);
        let (read, buffer) = file.read_at(buffer, 10).await;
        assert_eq!((read.unwrap(), &buffer[..]), (bytes, &content[..]));
        let (read, buffer) = file.read_exact_at(buffer, 11).await;
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        assert_eq!(buffer[..], content[1..]);
        let (read, buffer) = file.read_at(buffer, 1 << 30).await;
        assert_eq!((read.unwrap(), buffer.len()), (0, 0));
    }
    // Beside memory of the program's, at the file's own position.
    let (read, bytes) = file.read(Vec::with_capacity(20)).await;
    let (again, buffer) = file.read(pool.take().await).await;
    assert_eq!((read.unwrap(), &bytes[10..12]), (20, &[0, 1][..]));
    assert_eq!((again.unwrap(), &buffer[..2]), (BYTES - 10, &[10, 11][..]));
}

#[test]
fn fixed_buffers_are_read_and_written_like_others() {
    for builder in personalities() {
        let local = with_buffers(builder.clone()).build_local().unwrap();
        local.block_on(there_and_back(Folder::new(), local.buffers().unwrap().clone()));
        let runtime = several(builder);
        let pool = runtime.buffers().unwrap();
        let tasks: Vec<_> = (0..COUNT)
            .map(|_| runtime.spawn(there_and_back(Folder::new(), pool.clone())))
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(pool.free(), COUNT);
    }
}

/// Whether a read found the buffer by its pages. Those are taken out of the address space first: who
/// writes to the address then fills new ones, who was shown the old ones fills these, and nobody sees it.
async fn goes_by_pages(file: &File, mut buffer: FixedBuf) -> bool {
    let (address, length) = (buffer.as_mut_ptr(), buffer.capacity());
    // SAFETY: all of it is the buffer's memory, where nothing is wanted any more.
    let gone = unsafe { libc::madvise(address.cast(), length, libc::MADV_DONTNEED) };
    assert_eq!(gone, 0, "{}", std::io::Error::last_os_error());
    let (read, buffer) = file.read_at(buffer, 0).await;
    assert_eq!(read.unwrap(), BYTES);
    let first = buffer[0];
    assert!(buffer.iter().all(|&byte| byte == first), "all of it went the same way");
    first == 0
}

#[test]
fn a_ring_that_has_registered_a_buffer_finds_it_by_its_pages_and_any_other_by_its_address() {
    for builder in personalities() {
        let folder = Folder::new();
        std::fs::write(folder.path("file"), vec![7; BYTES]).unwrap();
        let runtime = several(builder.clone());
        let stranger = with_buffers(builder).build_local().unwrap();
        let feature = fixed_buffers(&runtime.capabilities()[0]).clone();
        eprintln!("{}: {feature:?}", runtime.capabilities()[0].driver);
        assert_eq!(feature.available, feature.reason.is_none());
        if runtime.capabilities()[0].driver == "poll" {
            assert!(!feature.available);
        }
        let own = runtime.buffers().unwrap().clone();
        let foreign = stranger.buffers().unwrap().clone();
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (folder, own, foreign) = (folder.clone(), own.clone(), foreign.clone());
                // On workers with the loop and without.
                runtime.spawn(async move {
                    let file = File::open(folder.path("file")).await.unwrap();
                    let own = goes_by_pages(&file, own.take().await).await;
                    (own, goes_by_pages(&file, foreign.take().await).await)
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).unwrap(), (feature.available, false));
        }
    }
}

#[test]
fn a_buffer_whose_read_was_dropped_comes_back_when_the_kernel_has_answered() {
    for builder in personalities() {
        for runtime in [several(builder.clone()), with_buffers(builder).workers(1).build().unwrap()]
        {
            let pool = runtime.buffers().unwrap().clone();
            let task = runtime.spawn(async move {
                let (read, write) = std::io::pipe().unwrap();
                let read = File::from(std::os::fd::OwnedFd::from(read));
                for _ in 0..200 {
                    for _ in 0..COUNT {
                        assert!(begin(read.read(pool.take().await)).await, "the pipe is empty");
                    }
                    // All of them are on their way; whoever waits is woken.
                    let first = pool.take().await;
                    assert_eq!((first.len(), first.capacity()), (0, BYTES));
                }
                while pool.free() < COUNT {
                    yield_now().await;
                }
                drop(write);
            });
            runtime.block_on(task).unwrap();
        }
    }
}

/// Nothing else is in flight there, and nobody else runs: what gives the buffer back has to wake, too.
#[test]
fn who_waits_for_the_one_buffer_that_a_dropped_read_has_is_woken() {
    for builder in personalities() {
        let runtime = builder.registered_buffers(1, BYTES).build_local().unwrap();
        let pool = runtime.buffers().unwrap();
        let (read, _write) = std::io::pipe().unwrap();
        let read = File::from(std::os::fd::OwnedFd::from(read));
        runtime.block_on(async {
            for _ in 0..200 {
                let mut reading = Box::pin(read.read(pool.take().await));
                assert!(begin(reading.as_mut()).await);
                // In flight on the ring, or not yet begun with.
                drop(reading);
                assert!(begin(read.read(pool.take().await)).await);
                let mut reading = Box::pin(read.read(pool.take().await));
                assert!(begin(reading.as_mut()).await);
                yield_now().await;
                assert!(pool.try_take().is_none());
            }
            drop(pool.take().await);
        });
        assert_eq!(pool.free(), 1);
    }
}

/// A file past the page cache, or the reason why not.
async fn direct(folder: &Folder) -> std::io::Result<File> {
    let path = folder.path("direct");
    let (written, _) = fs::write(&path, vec![7; COUNT * BYTES]).await;
    written?;
    File::options().read(true).custom_flags(libc::O_DIRECT).open(&path).await
}

#[test]
fn direct_reads_into_fixed_buffers_outlive_their_futures_and_their_runtime() {
    const LONG: Duration = Duration::from_secs(20);
    for builder in personalities() {
        for deadline in [LONG, Duration::ZERO] {
            let folder = Folder::new();
            let clone = folder.clone();
            let runtime = several(builder.clone().drain_deadline(deadline));
            let pool = runtime.buffers().unwrap().clone();
            let own = pool.clone();
            let (beginning, begun) = std::sync::mpsc::channel();
            let task = runtime.spawn(async move {
                let file = match direct(&clone).await {
                    Ok(file) => file,
                    Err(error) => return eprintln!("SKIP: no O_DIRECT in this folder: {error}"),
                };
                let (read, bytes) = file.read_at(own.take().await, BYTES as u64).await;
                assert_eq!((read.unwrap(), bytes.iter().all(|&byte| byte == 7)), (BYTES, true));
                drop(bytes);
                let mut reads: Vec<_> = (0..COUNT)
                    .map(|place| {
                        Box::pin(file.read_at(own.try_take().unwrap(), (place * BYTES) as u64))
                    })
                    .collect();
                poll_fn(|cx| {
                    reads.iter_mut().for_each(|read| _ = read.as_mut().poll(cx));
                    Poll::Ready(())
                })
                .await;
                // Half of them are dropped, half are in flight when the runtime goes.
                reads.truncate(COUNT / 2);
                beginning.send(()).unwrap();
                std::future::pending::<()>().await;
            });
            let began = begun.recv().is_ok();
            drop(task);
            let ended = runtime.shutdown(LONG);
            assert_eq!((ended.tasks_left, ended.workers_left), (0, 0));
            assert!(deadline.is_zero() || ended.ops_left == 0, "{ended:?}");
            // What came back is nobody else's.
            let back: Vec<_> = std::iter::from_fn(|| pool.try_take())
                .map(|mut buffer| {
                    buffer.set_len(BYTES);
                    buffer.fill(1);
                    buffer
                })
                .collect();
            assert!(!began || back.len() + ended.ops_left >= COUNT, "{} {ended:?}", back.len());
            std::thread::sleep(Duration::from_millis(20));
            assert!(
                back.iter().flat_map(|buffer| &buffer[..]).all(|&byte| byte == 1),
                "a late read"
            );
        }
    }
}

#[test]
fn a_pool_that_cannot_be_is_an_error_of_the_build() {
    let none = Runtime::builder().registered_buffers(0, 4096).build_local().unwrap_err();
    assert_eq!(none.raw_os_error(), Some(libc::EINVAL));
    let plain = Runtime::builder().build_local().unwrap();
    assert!(plain.buffers().is_none());
    assert!(plain.capabilities().features.iter().all(|feature| feature.name != "fixed_buffers"));
}
