//! 4 KiB of a file that lies in memory, at random places.

use super::super::file::{self, BLOCK, Offsets};
use super::super::gang::Gang;
use crate::contender::Run;
use crate::measure::Measure;
use crate::one_thread::{OneThread, in_a_task};
use std::fs::File;
use std::rc::Rc;

pub trait ReadAt: OneThread {
    type File: 'static;
    /// Of one block. A read takes it and gives it back.
    type Buffer: 'static;
    /// With whatever may be registered for so many readers.
    fn open(file: File, readers: usize) -> impl Future<Output = Self::File>;
    fn buffer(file: &Self::File, reader: usize) -> Self::Buffer;
    /// How many bytes came, and the buffer.
    fn read_at(
        file: &Self::File,
        buffer: Self::Buffer,
        offset: u64,
    ) -> impl Future<Output = (usize, Self::Buffer)>;
}

pub const DEPTHS: [usize; 3] = [1, 32, 128];
/// Reads of an iteration.
const OPERATIONS: usize = 4_096;

pub fn cells<L: ReadAt>() -> Vec<(&'static str, Run)> {
    vec![
        ("read_1", |measure| reads::<L>(measure, DEPTHS[0])),
        ("read_32", |measure| reads::<L>(measure, DEPTHS[1])),
        ("read_128", |measure| reads::<L>(measure, DEPTHS[2])),
    ]
}

/// A task for each reader, that reads one block after the other.
fn reads<L: ReadAt>(measure: &mut Measure, readers: usize) {
    in_a_task::<L, _>(measure, async move |mut measure: Measure| {
        let file = Rc::new(L::open(file::cached(), readers).await);
        let gang = Gang::hire::<L, _>(readers, |reader| {
            let mut buffer = Some(L::buffer(&file, reader));
            let (file, mut offsets) = (file.clone(), Offsets::of(reader));
            async move || {
                for _ in 0..OPERATIONS / readers {
                    let taken = buffer.take().expect("it came back");
                    let (length, back) = L::read_at(&file, taken, offsets.next()).await;
                    assert_eq!(length, BLOCK);
                    buffer = Some(back);
                }
            }
        });
        measure.run_async(OPERATIONS as u64, async || gang.round().await).await;
        crate::contender::tell_and_leave(&measure)
    });
}
