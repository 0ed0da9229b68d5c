//! Large pages for memory of JavaScript that is about to be filled.

#![cfg_attr(test, allow(dead_code, reason = "what is exported to JavaScript has no other caller"))]

use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;

/// What a large page is on x86-64, and on arm64 with pages of 4 KiB. Where it is another size, the
/// kernel takes what is aligned to that.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// Asks the kernel to back fresh memory by large pages: filling 256 MiB takes 65,536 page faults
/// without them and 128 with them. A wish: nothing comes of it where the kernel has none to give,
/// and the memory's content is what it was.
#[napi]
pub(crate) fn wish_large_pages(memory: Uint8ArraySlice) {
    let start = memory.as_ptr() as usize;
    let first = start.next_multiple_of(LARGE_PAGE_BYTES);
    let Some(length) = (start + memory.len()).checked_sub(first) else { return };
    let length = length / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
    if length == 0 {
        return;
    }
    // SAFETY: a range of whole pages within memory that is mapped; the call changes how they are
    // backed, and nothing that any thread can read there.
    let _ = unsafe { libc::madvise(first as *mut libc::c_void, length, libc::MADV_HUGEPAGE) };
}
