//! The memory that both sides see: typed access to its areas, all offsets from `abi::port`.

use wakering::lane::RecordSink;
use wakering_core::abi::{CompletionRecord, OpDescriptor, completion_flag, port, statx};

/// The port's memory. A `WebAssembly.Memory` that is kept by a reference: it can neither move nor
/// be detached, and only this thread reaches it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortMemory {
    base: *mut u8,
}

impl PortMemory {
    /// # Safety
    ///
    /// `base` is aligned to 8 and valid for [`port::BYTES`] bytes for as long as this is used, and
    /// no JavaScript runs while a method does.
    pub(crate) const unsafe fn new(base: *mut u8) -> Self {
        Self { base }
    }

    /// A copy of the descriptor at `index`, which is below [`port::DESCRIPTORS_MAX`].
    pub(crate) fn descriptor(&self, index: usize) -> OpDescriptor {
        assert!(index < port::DESCRIPTORS_MAX);
        let offset = port::DESCRIPTORS_OFFSET + index * size_of::<OpDescriptor>();
        // SAFETY: within the memory (asserted).
        let place = unsafe { self.base.add(offset) };
        // SAFETY: valid and aligned; any bits are a valid descriptor, for it is only numbers.
        unsafe { place.cast::<OpDescriptor>().read() }
    }

    /// The arena, for as long as no JavaScript runs.
    pub(crate) fn arena(&self) -> &[u8] {
        // SAFETY: within the memory.
        let start = unsafe { self.base.add(port::ARENA_OFFSET) };
        // SAFETY: valid bytes, and nobody writes to them meanwhile (see `new`).
        unsafe { std::slice::from_raw_parts(start, port::ARENA_BYTES) }
    }

    /// A sink that fills the completion array from its start.
    pub(crate) const fn sink(self) -> Records {
        Records { memory: self, count: 0, content: 0 }
    }
}

/// Records written so far.
#[derive(Debug)]
pub(crate) struct Records {
    memory: PortMemory,
    pub(crate) count: usize,
    /// Bytes of the content area that records name.
    content: usize,
}

impl RecordSink for Records {
    fn record(&mut self, mut record: CompletionRecord, statx: Option<&[u8; statx::BYTES]>) {
        assert!(self.count < port::COMPLETIONS_MAX);
        if let Some(bytes) = statx {
            let offset = port::OUT_OFFSET + self.count * statx::BYTES;
            record.aux = offset as u32;
            record.flags |= completion_flag::STATX;
            // SAFETY: the out area has a place for each record of a batch.
            let place = unsafe { self.memory.base.add(offset) };
            // SAFETY: as above; `bytes` is memory of the runtime's.
            unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), statx::BYTES) };
        }
        if record.brings_content() {
            record.aux = (port::CONTENT_OFFSET + self.content) as u32;
            self.content += record.result as usize;
        }
        let offset = port::COMPLETIONS_OFFSET + self.count * size_of::<CompletionRecord>();
        // SAFETY: within the memory (asserted).
        let place = unsafe { self.memory.base.add(offset) };
        // SAFETY: valid, aligned to 8.
        unsafe { place.cast::<CompletionRecord>().write(record) };
        self.count += 1;
    }

    fn content(&mut self) -> &mut [u8] {
        // SAFETY: within the memory: contents that are recorded came from what this gave.
        let start = unsafe { self.memory.base.add(port::CONTENT_OFFSET + self.content) };
        // SAFETY: valid bytes, which no JavaScript reaches meanwhile (see `new`).
        unsafe { std::slice::from_raw_parts_mut(start, port::CONTENT_BYTES - self.content) }
    }
}
