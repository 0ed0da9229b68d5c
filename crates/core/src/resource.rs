//! What an op in flight lends to the kernel, all of it inside the op's slot.
//!
//! ```text
//! Resource ┬ prepared   the checked numbers of the descriptor
//!          ├ owned      a larger buffer that belongs to the runtime
//!          ├ fixed      or one of a pool's, which loops may have registered
//!          ├ segments   the buffers of a vectored op
//!          ├ blocks     paths over 255 bytes, more than 32 segments
//!          ├ front      256 bytes: first path            ┐ or, together,
//!          └ back       256 bytes: second path, statx,   ┘ 32 iovecs
//!                       open_how, timespec, an option
//! ```
//!
//! An op of a socket has its address, and its `msghdr`, in front: see `message`.

use crate::abi::{HandleId, Opcode, PATH_BYTES_MAX, SEGMENTS_MAX};
use crate::block::{BLOCK_BYTES, Block, BlockPool};
use crate::buffers::PickedBuffer;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::fixed::FixedBuf;
use std::ffi::c_char;
use std::os::fd::AsRawFd;
use std::sync::Arc;

mod message;

pub use message::{ADDRESS_BYTES_MAX, CONTROL_BYTES_MAX, Control, Received};

/// Bytes of each inline area.
pub const AREA_BYTES: usize = 256;
/// The longest path that needs no block, without its NUL.
pub const PATH_INLINE_MAX: usize = AREA_BYTES - 1;
const IOVECS_INLINE_MAX: usize = 2 * AREA_BYTES / size_of::<libc::iovec>();

/// [`Prepared::registered`] of a buffer that is not registered.
pub const NOT_REGISTERED: u16 = u16::MAX;
/// [`Prepared::fixed_file`] of a descriptor that is in no table.
pub const NOT_FIXED: u32 = u32::MAX;
/// [`Prepared::group`] of an op that has its buffer, or none.
pub const NOT_PICKED: u16 = u16::MAX;

/// A descriptor whose numbers were checked and turned into what a system call takes.
///
/// `address` and `length` name memory that stays valid until the op's last completion: a
/// registered slab, a bounce region, or `owned` of the same slot.
#[derive(Clone, Copy, Debug)]
pub struct Prepared {
    /// What to do.
    pub opcode: Opcode,
    /// [`crate::abi::op_flag`].
    pub flags: u8,
    /// The index of the registered buffer that holds `address`, or [`NOT_REGISTERED`].
    pub registered: u16,
    /// The group that a buffer is picked from when there is something to put into it, or
    /// [`NOT_PICKED`]. `length` is then the most that is wanted, zero: what fits.
    pub group: u16,
    /// The descriptor, or `AT_FDCWD`, or -1.
    pub fd: i32,
    /// The same file's place in the ring's table, or [`NOT_FIXED`].
    pub fixed_file: u32,
    /// The handle that `fd` came from.
    pub handle: HandleId,
    /// The system call's own flags.
    pub op_flags: u32,
    /// Where the data is.
    pub address: *mut u8,
    /// Bytes of data, or the number of iovecs.
    pub length: u32,
    /// Mode, mask or the like: `args[4]` and `args[5]` of the descriptor.
    pub extra: [u32; 2],
    /// Position, length or nanoseconds.
    pub offset: u64,
    /// Of a Splice: the position that is read from.
    pub offset_from: u64,
}

impl Prepared {
    /// An op that names nothing but what it does.
    pub const fn new(opcode: Opcode) -> Self {
        Self {
            opcode,
            flags: 0,
            registered: NOT_REGISTERED,
            group: NOT_PICKED,
            fd: -1,
            fixed_file: NOT_FIXED,
            handle: HandleId::NONE,
            op_flags: 0,
            address: std::ptr::null_mut(),
            length: 0,
            extra: [0; 2],
            offset: 0,
            offset_from: crate::abi::POSITION_CURRENT,
        }
    }

    /// Whether the next op of the loop belongs behind this one.
    pub const fn links(&self) -> bool {
        use crate::abi::op_flag::{HARDLINK, LINK};
        self.flags & (LINK | HARDLINK) != 0
    }
}

/// Which of an op's two paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathRole {
    /// The only one, or the source, or a link's target.
    First,
    /// The destination.
    Second,
}

#[derive(Debug)]
#[repr(C, align(16))]
struct Inline {
    front: [u8; AREA_BYTES],
    back: [u8; AREA_BYTES],
}

/// Everything that the kernel borrows for one op. See the module's picture.
#[derive(Debug)]
#[repr(C)]
pub struct Resource {
    /// The checked request.
    pub prepared: Prepared,
    /// A buffer of the runtime's: a large read or write, or a result of unknown size.
    pub owned: Option<Vec<u8>>,
    /// A buffer of a pool's: the loop that has registered it sees that here.
    pub fixed: Option<FixedBuf>,
    /// The buffers that the iovecs of a Readv or Writev name.
    pub segments: Vec<Vec<u8>>,
    /// A buffer of a group's, on its way out.
    pub picked: Option<PickedBuffer>,
    file: Option<Arc<Descriptor>>,
    source: Option<Arc<Descriptor>>,
    blocks: [Option<Block>; 2],
    /// Of the socket address in front; zero where there is none.
    address_length: libc::socklen_t,
    inline: Inline,
}

impl Default for Resource {
    fn default() -> Self {
        Self::new()
    }
}

impl Resource {
    /// One that lends nothing.
    pub const fn new() -> Self {
        Self {
            prepared: Prepared::new(Opcode::Nop),
            owned: None,
            fixed: None,
            segments: Vec::new(),
            picked: None,
            file: None,
            source: None,
            blocks: [None, None],
            address_length: 0,
            inline: Inline { front: [0; AREA_BYTES], back: [0; AREA_BYTES] },
        }
    }

    /// Has the op be about this file, and keeps it open until the op is over.
    pub fn set_file(&mut self, file: &Arc<Descriptor>) {
        self.prepared.fd = file.as_raw_fd();
        self.prepared.handle = file.handle();
        self.file = Some(file.clone());
    }

    /// Has a Splice take its bytes from this file, and keeps it open until the op is over.
    pub fn set_source(&mut self, file: &Arc<Descriptor>) {
        self.prepared.extra[0] = file.as_raw_fd() as u32;
        self.source = Some(file.clone());
    }

    /// Copies a path in. Fails with BadPath for a NUL, with ENAMETOOLONG for more than 4,095
    /// bytes, and with Busy where it needs a block and none is left.
    pub fn set_path(
        &mut self,
        role: PathRole,
        bytes: &[u8],
        pool: &BlockPool,
    ) -> Result<(), Error> {
        use crate::abi::ErrorKind::{BadPath, Busy};
        if bytes.len() > PATH_BYTES_MAX {
            return Err(Error::Os(libc::ENAMETOOLONG));
        }
        if bytes.contains(&0) {
            return Err(BadPath.into());
        }
        let area = match role {
            PathRole::First => &mut self.inline.front,
            PathRole::Second => &mut self.inline.back,
        };
        if bytes.len() <= PATH_INLINE_MAX {
            area[..bytes.len()].copy_from_slice(bytes);
            area[bytes.len()] = 0;
            return Ok(());
        }
        let mut block = pool.lend().ok_or(Busy)?;
        let room = block.bytes();
        room[..bytes.len()].copy_from_slice(bytes);
        room[bytes.len()] = 0;
        self.blocks[role as usize] = Some(block);
        Ok(())
    }

    /// The path that was set last, NUL-terminated. Valid until the resource is released.
    pub fn path(&mut self, role: PathRole) -> *const c_char {
        match (&mut self.blocks[role as usize], role) {
            (Some(block), _) => block.as_mut_ptr().cast(),
            (None, PathRole::First) => self.inline.front.as_ptr().cast(),
            (None, PathRole::Second) => self.inline.back.as_ptr().cast(),
        }
    }

    /// Makes room for `count` iovecs and has `fill` write them. Fails with BadDescriptor for too
    /// many, with Busy where it needs a block and none is left.
    pub fn set_iovecs(
        &mut self,
        count: usize,
        pool: &BlockPool,
        mut fill: impl FnMut(usize) -> Result<libc::iovec, Error>,
    ) -> Result<(), Error> {
        use crate::abi::ErrorKind::{BadDescriptor, Busy};
        const { assert!(SEGMENTS_MAX * size_of::<libc::iovec>() <= BLOCK_BYTES) };
        if count > SEGMENTS_MAX {
            return Err(BadDescriptor.into());
        }
        if count > IOVECS_INLINE_MAX {
            self.blocks[0] = Some(pool.lend().ok_or(Busy)?);
        }
        let start = self.iovecs();
        for index in 0..count {
            let iovec = fill(index)?;
            // SAFETY: `count` iovecs fit: inline up to IOVECS_INLINE_MAX, else into the block.
            let place = unsafe { start.add(index) };
            // SAFETY: `place` is aligned (areas and blocks are) and ours alone.
            unsafe { place.write(iovec) };
        }
        Ok(())
    }

    /// The iovecs that were set last.
    pub fn iovecs(&mut self) -> *mut libc::iovec {
        match &mut self.blocks[0] {
            Some(block) => block.as_mut_ptr().cast(),
            None => (&raw mut self.inline).cast(),
        }
    }

    /// The place of a `struct statx`, `struct open_how` or `struct __kernel_timespec`: 256 bytes,
    /// aligned to 16. An op with a second path has no such place.
    pub fn back(&mut self) -> *mut u8 {
        self.inline.back.as_mut_ptr()
    }

    /// What the kernel wrote to [`Self::back`].
    pub fn back_bytes(&self) -> &[u8; AREA_BYTES] {
        &self.inline.back
    }

    /// Whether there is anything for [`Self::release`] to do.
    pub(crate) fn needs_release(&self) -> bool {
        self.owned.is_some()
            || self.fixed.is_some()
            || self.segments.capacity() != 0
            || self.file.is_some()
            || self.source.is_some()
            || self.picked.is_some()
            || self.address_length != 0
            || self.blocks.iter().any(Option::is_some)
    }

    /// Gives back what was borrowed from `pool` and drops the owned buffer. Whether it had blocks.
    pub fn release(&mut self, pool: &BlockPool) -> bool {
        self.owned = None;
        self.fixed = None;
        self.segments = Vec::new();
        self.picked = None;
        self.file = None;
        self.source = None;
        self.address_length = 0;
        let blocks = self.blocks.iter_mut().filter_map(Option::take);
        blocks.map(|block| pool.give_back(block)).count() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn read_back(resource: &mut Resource, role: PathRole) -> Vec<u8> {
        // SAFETY: `set_path` terminated it.
        unsafe { CStr::from_ptr(resource.path(role)) }.to_bytes().to_vec()
    }

    #[test]
    fn short_paths_lie_inline_and_long_ones_in_blocks() {
        let pool = BlockPool::new(1);
        let mut resource = Resource::new();
        resource.set_path(PathRole::First, b"/a", &pool).unwrap();
        assert_eq!(read_back(&mut resource, PathRole::First), b"/a");
        let long = vec![b'x'; PATH_BYTES_MAX];
        resource.set_path(PathRole::Second, &long, &pool).unwrap();
        assert_eq!(read_back(&mut resource, PathRole::Second), long);
        assert_eq!(
            resource.set_path(PathRole::First, &long, &pool),
            Err(crate::abi::ErrorKind::Busy.into())
        );
        resource.release(&pool);
        assert_eq!(pool.available(), 1);
    }

    #[test]
    fn refuses_paths_that_no_system_call_takes() {
        let pool = BlockPool::new(1);
        let mut resource = Resource::new();
        let bad = Err(crate::abi::ErrorKind::BadPath.into());
        assert_eq!(resource.set_path(PathRole::First, b"a\0b", &pool), bad);
        let long = Err(Error::Os(libc::ENAMETOOLONG));
        assert_eq!(resource.set_path(PathRole::First, &[b'x'; 4096], &pool), long);
    }

    #[test]
    fn holds_256_segments_and_no_more() {
        let pool = BlockPool::new(1);
        let mut resource = Resource::new();
        let iovec = |index| Ok(libc::iovec { iov_base: std::ptr::null_mut(), iov_len: index });
        resource.set_iovecs(SEGMENTS_MAX, &pool, iovec).unwrap();
        // SAFETY: 256 iovecs were just written from there on.
        let iovecs = unsafe { std::slice::from_raw_parts(resource.iovecs(), SEGMENTS_MAX) };
        assert_eq!(iovecs[SEGMENTS_MAX - 1].iov_len, 255);
        assert!(resource.set_iovecs(SEGMENTS_MAX + 1, &pool, iovec).is_err());
        resource.release(&pool);
    }
}
