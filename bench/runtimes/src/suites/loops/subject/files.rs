//! Files of the runtime, over a ring, and where none may be used.

use crate::contender::Run;
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, BLOCK, DEPTHS, Files, ReadAt};
use std::cell::RefCell;
use std::path::Path;
use wakering::buf::{FixedBuf, FixedBufPool};
use wakering::fs::{self, File};
use wakering::task::spawn_local;
use wakering::{DriverChoice, Runtime};

pub fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::read_cells::<WithRing>();
    cells.extend(rows::file_cells::<WithoutRing>());
    cells
}

/// With buffers that are registered with the ring.
struct WithRing;
struct WithoutRing;

thread_local! {
    static BUFFERS: RefCell<Option<FixedBufPool>> = const { RefCell::new(None) };
}

impl OneThread for WithRing {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let builder = Runtime::builder().driver(DriverChoice::Uring);
        let builder = builder.registered_buffers(DEPTHS[DEPTHS.len() - 1], BLOCK);
        let runtime = builder.build_local().expect("a runtime");
        BUFFERS.set(runtime.buffers().cloned());
        runtime.block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = spawn_local(future);
        async { join.await.expect("no panic") }
    }
}

impl ReadAt for WithRing {
    type File = File;
    type Buffer = FixedBuf;

    async fn open(file: std::fs::File, _: usize) -> File {
        File::from(file)
    }

    fn buffer(_: &File, _: usize) -> FixedBuf {
        let taken = BUFFERS.with_borrow(|pool| pool.as_ref().and_then(FixedBufPool::try_take));
        taken.expect("one for each reader")
    }

    async fn read_at(file: &File, buffer: FixedBuf, offset: u64) -> (usize, FixedBuf) {
        let (length, buffer) = file.read_at(buffer, offset).await;
        (length.expect("a block"), buffer)
    }
}

impl OneThread for WithoutRing {
    fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
        let builder = Runtime::builder().driver(DriverChoice::Poll);
        builder.build_local().expect("a runtime").block_on(future)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> + 'static {
        let join = spawn_local(future);
        async { join.await.expect("no panic") }
    }
}

impl Files for WithoutRing {
    type File = File;

    fn file(file: std::fs::File) -> File {
        File::from(file)
    }

    async fn read_at(file: &File, buffer: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let (length, buffer) = file.read_at(buffer, offset).await;
        (length.expect("a block"), buffer)
    }

    async fn stat(path: &Path) -> u64 {
        fs::metadata(path).await.expect("it is there").len()
    }

    async fn open(path: &Path) {
        drop(File::open(path).await.expect("it is there"));
    }
}
