//! The file that all read: 64 MiB in the page cache, and the same random offsets for everybody.

use std::fs::File;
use std::io::Write;

pub const BLOCK: usize = 4096;
const BLOCKS: u64 = 16_384;

/// Fills a file in the folder for temporary files (`TMPDIR` chooses another), and forgets its name.
pub fn cached() -> File {
    let path = std::env::temp_dir().join(format!("wakering-bench-{}", std::process::id()));
    let mut options = File::options();
    let mut file = options.read(true).write(true).create_new(true).open(&path).expect("a file");
    std::fs::remove_file(&path).expect("the file just made");
    let part = vec![7u8; 1 << 20];
    for _ in 0..BLOCKS as usize * BLOCK / part.len() {
        file.write_all(&part).expect("room for 64 MiB");
    }
    file
}

/// Blocks in no order that a cache could guess.
pub struct Offsets(u64);

impl Offsets {
    pub fn of(reader: usize) -> Self {
        Self(reader as u64)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % BLOCKS * BLOCK as u64
    }
}
