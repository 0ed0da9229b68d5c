//! Files of the runtime where no ring may be used.

use crate::contender::Run;
use crate::one_thread::OneThread;
use crate::suites::loops::rows::{self, Files};
use std::path::Path;
use wakering::fs::{self, File};
use wakering::task::spawn_local;
use wakering::{DriverChoice, Runtime};

pub fn cells() -> Vec<(&'static str, Run)> {
    rows::file_cells::<WithoutRing>()
}

struct WithoutRing;

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
