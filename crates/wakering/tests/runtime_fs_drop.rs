//! Ops on files whose futures are dropped, and runtimes that end with some in flight.

#![expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]

#[path = "support/files.rs"]
mod files;

use files::{Folder, drivers};
use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use wakering::fs::{self, File};
use wakering::task::yield_now;
use wakering::{Builder, Runtime};

/// O_DIRECT wants memory that begins at a block: large pieces do, here.
struct Aligning;

impl Aligning {
    fn aligned(layout: Layout) -> Layout {
        let align = if layout.size() >= 4096 { 4096 } else { 1 };
        layout.align_to(align).unwrap_or(layout)
    }
}

// SAFETY: the system's allocator, with a larger alignment that depends on the layout alone.
unsafe impl GlobalAlloc for Aligning {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(Self::aligned(layout)) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, Self::aligned(layout)) }
    }
}

#[global_allocator]
static ALIGNING: Aligning = Aligning;

/// Descriptors of the process that name something in the folder, or a pipe.
fn open_in(folder: &Folder) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let named = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    named.filter(|name| name.starts_with(folder)).count()
}

/// Polls once, and drops.
async fn begin<F: Future>(future: F) -> bool {
    begin_for(future, 0).await
}

/// Polls once, lets so many turns of the loop go by without looking, and drops.
async fn begin_for<F: Future>(future: F, turns: u32) -> bool {
    let mut future = pin!(future);
    let pending = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    for _ in 0..turns {
        yield_now().await;
    }
    pending
}

/// Turns of the loop, until nothing of the folder is open.
async fn settle(folder: &Folder) {
    for _ in 0..10_000 {
        if open_in(folder) == 0 {
            return;
        }
        yield_now().await;
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    panic!("{} descriptors are open still", open_in(folder));
}

fn both(builder: Builder) -> Vec<Runtime> {
    vec![builder.clone().workers(1).build().unwrap(), builder.workers(3).loops(1).build().unwrap()]
}

/// FEATURES V11, as far as opens go.
#[test]
fn v11_opens_that_are_dropped_leave_no_descriptor() {
    for builder in drivers() {
        for runtime in both(builder) {
            let folder = Folder::new();
            let (path, clone) = (folder.path("file"), folder.clone());
            std::fs::write(&path, b"content").unwrap();
            let task = runtime.spawn(async move {
                let mut pending = 0;
                for number in 0..10_000 {
                    let mut options = File::options();
                    options.write(true).create(true);
                    // Before it is published, in flight, or answered and not seen.
                    pending += u32::from(begin_for(options.open(&path), number % 4).await);
                }
                assert!(pending > 0, "some were in flight");
                settle(&clone).await;
            });
            runtime.block_on(task).unwrap();
        }
    }
}

#[test]
fn v13_a_close_that_is_dropped_closes() {
    for builder in drivers() {
        for runtime in both(builder) {
            let folder = Folder::new();
            let (path, clone) = (folder.path("file"), folder.clone());
            let task = runtime.spawn(async move {
                for _ in 0..1_000 {
                    let file = File::create(&path).await.unwrap();
                    begin(file.close()).await;
                }
                settle(&clone).await;
            });
            runtime.block_on(task).unwrap();
        }
    }
}

#[test]
fn u7_a_close_waits_for_reads_that_were_dropped() {
    for builder in drivers() {
        for runtime in both(builder) {
            let (task, mut write) = {
                let (read, write) = std::io::pipe().unwrap();
                let read = File::from(std::os::fd::OwnedFd::from(read));
                let task = runtime.spawn(async move {
                    assert!(begin(read.read(vec![0; 16])).await);
                    read.close().await.unwrap();
                });
                (task, write)
            };
            runtime.block_on(task).unwrap();
            // Nobody has the other end any more.
            let broken = std::io::Write::write(&mut write, b"x").unwrap_err();
            assert_eq!(broken.raw_os_error(), Some(libc::EPIPE));
        }
    }
}

type Reading<'a> =
    Pin<Box<dyn Future<Output = wakering::buf::BufResult<usize, Vec<u8>>> + Send + 'a>>;

const READS: u64 = 64;
const BYTES: usize = 64 << 10;

/// A file past the page cache, or the reason why not.
async fn direct(folder: &Folder) -> std::io::Result<File> {
    let path = folder.path("direct");
    let (written, _) = fs::write(&path, vec![7; READS as usize * BYTES]).await;
    written?;
    File::options().read(true).custom_flags(libc::O_DIRECT).open(&path).await
}

/// What the kernel still writes to is not freed: neither when the futures go nor when the runtime does.
#[test]
fn r11_direct_reads_in_flight_outlive_their_futures_and_their_runtime() {
    for builder in drivers() {
        for runtime in both(builder) {
            let folder = Folder::new();
            let clone = folder.clone();
            let (beginning, begun) = std::sync::mpsc::channel();
            let task = runtime.spawn(async move {
                let file = match direct(&clone).await {
                    Ok(file) => file,
                    Err(error) => return eprintln!("SKIP: no O_DIRECT in this folder: {error}"),
                };
                let (read, bytes) = file.read_at(Vec::with_capacity(BYTES), 0).await;
                assert_eq!((read.unwrap(), bytes.iter().all(|&byte| byte == 7)), (BYTES, true));
                let reads: Vec<Reading<'_>> = (0..READS)
                    .map(|number| {
                        let place = number * BYTES as u64;
                        Box::pin(file.read_at(Vec::with_capacity(BYTES), place)) as _
                    })
                    .collect();
                let mut reads = reads;
                poll_fn(|cx| {
                    reads.iter_mut().for_each(|read| _ = read.as_mut().poll(cx));
                    Poll::Ready(())
                })
                .await;
                // Half of them are dropped, half are in flight when the runtime goes.
                reads.truncate(reads.len() / 2);
                beginning.send(()).unwrap();
                std::future::pending::<()>().await;
            });
            // From here on reads are in flight, unless there is no O_DIRECT.
            let _ = begun.recv();
            drop((task, runtime));
            let rubbish: Vec<_> = (0..READS).map(|_| vec![1_u8; BYTES]).collect();
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(rubbish.iter().flatten().all(|&byte| byte == 1), "a late read came here");
            assert_eq!(open_in(&folder), 0);
        }
    }
}
