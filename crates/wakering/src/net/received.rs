//! Bytes that arrived, where they arrived: nobody copies them.

#![forbid(unsafe_code)]

use std::ops::Deref;
use wakering_core::buffers::PickedBuffer;

/// What a stream received, in memory of its loop's, which goes back there when this is dropped: from
/// any thread. While it is kept that memory is missing, so it is for what is looked at and let go.
#[derive(Debug)]
pub struct Received(pub(super) Memory);

#[derive(Debug)]
pub(super) enum Memory {
    /// The end.
    Nothing,
    Picked(PickedBuffer),
    /// That of a socket, from so many bytes on.
    Own(Vec<u8>, usize),
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Memory::Nothing => &[],
            Memory::Picked(bytes) => bytes,
            Memory::Own(bytes, start) => &bytes[*start..],
        }
    }
}

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
