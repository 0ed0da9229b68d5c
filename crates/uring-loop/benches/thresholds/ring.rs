//! A ring with its slots, memory that begins with a page, and a file that is in the page cache.

use crate::measure::is_quick;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wakering_core::resource::Prepared;
use wakering_core::slab::FreeList;
use wakering_core::waker::WakerRef;
use wakering_core::{Driver, Home};
use wakering_uring_loop::{UringConfig, UringDriver};

pub const PAGE: usize = 4096;

/// A driver and what it needs.
pub struct Ring {
    pub driver: UringDriver,
    home: Arc<Home>,
    free: FreeList,
    /// How long a turn waits: not at all, or until something comes.
    timeout: Option<Duration>,
}

impl Ring {
    /// `None` where the kernel refuses it, which is printed.
    pub fn new(config: UringConfig, timeout: Option<Duration>) -> Option<Self> {
        let home = Arc::new(Home::new(256).ok()?);
        match UringDriver::new(config, home.clone()) {
            Ok(driver) => {
                let free = FreeList::new(&home.slab);
                Some(Self { driver, home, free, timeout })
            }
            Err(refused) => {
                println!("SKIP: {refused}");
                None
            }
        }
    }

    /// On the thread that asks, as a lane has it.
    pub fn inline() -> Option<Self> {
        Self::new(UringConfig::inline(256), Some(Duration::ZERO))
    }

    /// Starts `count` ops and turns until all are done. Each must succeed.
    pub fn batch(&mut self, count: usize, mut make: impl FnMut(usize) -> Prepared) {
        let Self { driver, home, free, timeout } = self;
        for number in 0..count {
            let token = free.claim(&home.slab, WakerRef::NOBODY).expect("a slot for each op");
            let slot = home.slab.slot(token);
            // SAFETY: just claimed, on the owning thread; who makes the op keeps its memory.
            unsafe { slot.with_resource(|resource| resource.prepared = make(number)) };
            driver.enqueue(token).expect("room for every slot");
        }
        let mut left = count;
        while left > 0 {
            let sink = &mut |completion: wakering_core::Completion| {
                let token = completion.token;
                let result = home.slab.slot(token).take(token, |taken, _| taken.outcome.result);
                assert!(result.is_some_and(|result| result >= 0), "an op failed: {result:?}");
                free.give_back(token.index());
                left -= 1;
            };
            driver.turn(*timeout, usize::MAX, sink).expect("a ring that can be entered");
        }
    }
}

/// Memory whose pages are there, the first of them at its start.
pub struct Pages {
    bytes: Vec<u8>,
    start: usize,
}

impl Pages {
    pub fn new(length: usize) -> Self {
        let bytes = vec![1; length + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        Self { bytes, start }
    }

    pub fn at(&mut self, offset: usize) -> *mut u8 {
        self.bytes[self.start + offset..].as_mut_ptr()
    }
}

/// A folder that goes when the bench is over.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("wakering-thresholds-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the files");
        Self(path)
    }

    /// A file in the page cache, open for reading, and how long it is.
    pub fn large(&self) -> (File, u64) {
        let bytes = if is_quick() { 16 << 20 } else { 64 << 20 };
        let path = self.0.join("large");
        std::fs::write(&path, vec![7; bytes]).expect("room for the large file");
        (File::open(&path).expect("the file that was just written"), bytes as u64)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Places of a file in an order that no read-ahead guesses.
pub struct Places {
    random: u64,
    pages: u64,
}

impl Places {
    /// For pieces of `length` bytes, each at the start of a page.
    pub fn new(file_bytes: u64, length: usize) -> Self {
        let page = PAGE as u64;
        Self { random: 1, pages: (file_bytes - length as u64) / page + 1 }
    }

    pub fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % self.pages * PAGE as u64
    }
}
