//! Files where no ring may be used: what is asked for one at a time, and lies in memory.

use super::super::file::{self, BLOCK, Offsets};
use crate::contender::{Run, tell_and_leave};
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task};
use std::path::{Path, PathBuf};

pub trait Files: OneThread {
    type File: 'static;
    fn file(file: std::fs::File) -> Self::File;
    /// How many bytes came, and the buffer, which is one block.
    fn read_at(
        file: &Self::File,
        buffer: Vec<u8>,
        offset: u64,
    ) -> impl Future<Output = (usize, Vec<u8>)>;
    /// The file's size.
    fn stat(path: &Path) -> impl Future<Output = u64>;
    /// And closes it.
    fn open(path: &Path) -> impl Future<Output = ()>;
}

const OPERATIONS: usize = 500;

pub fn cells<L: Files>() -> Vec<(&'static str, Run)> {
    vec![("poll_read", read::<L>), ("poll_stat", stat::<L>), ("poll_open", open::<L>)]
}

fn read<L: Files>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        let file = L::file(file::cached());
        let mut buffer = vec![0; BLOCK];
        let mut offsets = Offsets::of(0);
        measure
            .run_async(OPERATIONS as u64, async || {
                for _ in 0..OPERATIONS {
                    let taken = std::mem::take(&mut buffer);
                    let (length, back) = L::read_at(&file, taken, offsets.next()).await;
                    assert_eq!(length, BLOCK);
                    buffer = back;
                }
            })
            .await;
        tell_and_leave(&measure)
    });
}

/// A small file with a name, which goes with the process's end.
struct Named(PathBuf);

impl Named {
    const BYTES: u64 = 5;

    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("wakering-bench-{}", std::process::id()));
        std::fs::write(&path, vec![7; Self::BYTES as usize]).expect("a file");
        Self(path)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("the file is ours");
    }
}

fn stat<L: Files>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        let file = Named::new();
        measure
            .run_async(OPERATIONS as u64, async || {
                for _ in 0..OPERATIONS {
                    assert_eq!(L::stat(&file.0).await, Named::BYTES);
                }
            })
            .await;
        drop(file);
        tell_and_leave(&measure)
    });
}

fn open<L: Files>(measure: &mut Measure) {
    in_a_task::<L, _>(measure, async |mut measure: Measure| {
        let file = Named::new();
        measure
            .run_async(OPERATIONS as u64, async || {
                for _ in 0..OPERATIONS {
                    L::open(&file.0).await;
                }
            })
            .await;
        drop(file);
        tell_and_leave(&measure)
    });
}
