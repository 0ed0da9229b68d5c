//! What an op of a socket lends: an address, and what a `msghdr` names.
//!
//! ```text
//! front ┬   0  sockaddr, 128 bytes          back ┬   0  iovecs, as many as 8 (more: in a block)
//!       └ 128  msghdr                            └ 128  control data, 128 bytes
//! ```

use super::Resource;
use crate::abi::ErrorKind::{BadDescriptor, Busy};
use crate::abi::SEGMENTS_MAX;
use crate::block::BlockPool;
use crate::error::Error;
use std::mem::offset_of;
use std::os::fd::RawFd;

/// The longest socket address.
pub const ADDRESS_BYTES_MAX: usize = size_of::<libc::sockaddr_storage>();
/// The most control data of one message.
pub const CONTROL_BYTES_MAX: usize = 128;

const HEADER_AT: usize = ADDRESS_BYTES_MAX;
const CONTROL_AT: usize = super::AREA_BYTES - CONTROL_BYTES_MAX;
const SEGMENTS_INLINE_MAX: usize = CONTROL_AT / size_of::<libc::iovec>();
/// Of `struct io_uring_recvmsg_out`: lengths of address, control data and message, and flags.
const HEAD_BYTES: usize = 16;
/// Of one piece of control data; its data begins behind it.
const PIECE_HEAD_BYTES: usize = size_of::<libc::cmsghdr>();

const _: () = {
    assert!(HEADER_AT.is_multiple_of(align_of::<libc::msghdr>()));
    assert!(HEADER_AT + size_of::<libc::msghdr>() <= super::AREA_BYTES);
};

impl Resource {
    /// Copies a socket address in. Fails with EINVAL where it is longer than any.
    pub fn set_address(&mut self, address: &[u8]) -> Result<(), Error> {
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(Error::Os(libc::EINVAL));
        }
        self.inline.front[..address.len()].copy_from_slice(address);
        self.address_length = address.len() as libc::socklen_t;
        Ok(())
    }

    /// Makes room for an address that comes back: of who connects, or sends.
    pub fn expect_address(&mut self) {
        self.address_length = ADDRESS_BYTES_MAX as libc::socklen_t;
    }

    /// The address that was set, or came back; empty where there is none. What came back may have been
    /// cut short.
    pub fn address(&self) -> &[u8] {
        &self.inline.front[..(self.address_length as usize).min(ADDRESS_BYTES_MAX)]
    }

    /// The address and its length, where a system call finds or puts them.
    pub fn address_place(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        (self.inline.front.as_mut_ptr().cast(), &raw mut self.address_length)
    }

    /// Sets up the `msghdr`: `count` segments that `fill` writes, the address that was set before (or
    /// is expected), and room for, or the bytes of, control data.
    ///
    /// # Errors
    ///
    /// BadDescriptor for too many segments or too much control data, Busy where no block is left, and
    /// what `fill` fails with.
    pub fn set_message(
        &mut self,
        count: usize,
        control: Control<'_>,
        pool: &BlockPool,
        mut fill: impl FnMut(usize) -> Result<libc::iovec, Error>,
    ) -> Result<(), Error> {
        if count > SEGMENTS_MAX || control.length() > CONTROL_BYTES_MAX {
            return Err(BadDescriptor.into());
        }
        if count > SEGMENTS_INLINE_MAX {
            self.blocks[0] = Some(pool.lend().ok_or(Busy)?);
        }
        let segments: *mut libc::iovec = match &mut self.blocks[0] {
            Some(block) => block.as_mut_ptr().cast(),
            None => self.inline.back.as_mut_ptr().cast(),
        };
        for index in 0..count {
            let segment = fill(index)?;
            // SAFETY: `count` of them fit: into `back` before CONTROL_AT, else into the block.
            let place = unsafe { segments.add(index) };
            // SAFETY: `place` is aligned (areas and blocks are) and ours alone.
            unsafe { place.write(segment) };
        }
        if let Control::Send(bytes) = control {
            self.inline.back[CONTROL_AT..CONTROL_AT + bytes.len()].copy_from_slice(bytes);
        }
        let address_length = self.address().len();
        let (address, _) = self.address_place();
        // SAFETY: a `msghdr` is numbers and pointers, for which zeroes are good.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = segments;
        header.msg_iovlen = count as _;
        if address_length > 0 {
            header.msg_name = address.cast();
            header.msg_namelen = address_length as _;
        }
        if control.length() > 0 {
            header.msg_control = self.inline.back.as_mut_ptr().wrapping_add(CONTROL_AT).cast();
            header.msg_controllen = control.length() as _;
        }
        let place = self.message();
        // SAFETY: inside `front`, aligned (see the assertions), and ours alone.
        unsafe { place.write(header) };
        Ok(())
    }

    /// The `msghdr` that was set last.
    pub fn message(&mut self) -> *mut libc::msghdr {
        self.inline.front.as_mut_ptr().wrapping_add(HEADER_AT).cast()
    }

    /// What came back with a message: the sender's address and the control data, as the kernel left
    /// the `msghdr`.
    pub fn received(&mut self) -> Received<'_> {
        // SAFETY: `set_message` wrote it, and the kernel at most changed its numbers.
        let header = unsafe { self.message().read() };
        let address = (header.msg_namelen as usize).min(ADDRESS_BYTES_MAX);
        let control = header.msg_controllen.min(CONTROL_BYTES_MAX);
        Received {
            address: &self.inline.front[..address],
            control: &self.inline.back[CONTROL_AT..CONTROL_AT + control],
            flags: header.msg_flags,
        }
    }
}

impl Resource {
    /// What came back with a message of an op of many, in the buffer that was picked for it: a head, the
    /// address, control data, the message.
    pub fn received_in<'a>(&mut self, picked: &'a [u8]) -> Received<'a> {
        // SAFETY: `set_message` wrote it, and an op of many leaves it as it is.
        let asked = unsafe { self.message().read() };
        let word = |at: usize| {
            let word = picked.get(at * 4..).and_then(|rest| rest.first_chunk());
            word.map_or(0, |&word| u32::from_ne_bytes(word))
        };
        let after = |bytes: &'a [u8], from: usize, count: usize| {
            let rest = bytes.get(from..).unwrap_or(&[]);
            &rest[..count.min(rest.len())]
        };
        let address_room = asked.msg_namelen as usize;
        Received {
            address: after(picked, HEAD_BYTES, address_room.min(word(0) as usize)),
            control: after(
                picked,
                HEAD_BYTES + address_room,
                asked.msg_controllen.min(word(1) as usize),
            ),
            flags: word(3) as i32,
        }
    }
}

/// The control data of a message.
#[derive(Clone, Copy, Debug)]
pub enum Control<'a> {
    /// To be sent.
    Send(&'a [u8]),
    /// Room for so many bytes.
    Receive(usize),
}

impl Control<'_> {
    /// None.
    pub const NONE: Self = Self::Receive(0);

    const fn length(&self) -> usize {
        match self {
            Self::Send(bytes) => bytes.len(),
            Self::Receive(length) => *length,
        }
    }
}

/// See [`Resource::received`].
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The sender's address.
    pub address: &'a [u8],
    /// Control data.
    pub control: &'a [u8],
    /// `MSG_*`: whether something was cut short.
    pub flags: i32,
}

impl Received<'_> {
    /// Descriptors that came along (`SCM_RIGHTS`): whoever received the message has them, and closes them.
    pub fn descriptors(&self, mut each: impl FnMut(RawFd)) {
        let mut rest = self.control;
        while let Some((head, _)) = rest.split_first_chunk::<PIECE_HEAD_BYTES>() {
            let number = |at: usize| i32::from_ne_bytes([0, 1, 2, 3].map(|byte| head[at + byte]));
            // The kernel's own layout: the length has eight bytes, and counts the head.
            let length = u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|byte| head[byte]));
            let length = (length as usize).clamp(PIECE_HEAD_BYTES, rest.len());
            let level = number(offset_of!(libc::cmsghdr, cmsg_level));
            let kind = number(offset_of!(libc::cmsghdr, cmsg_type));
            if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let numbers = rest[PIECE_HEAD_BYTES..length].as_chunks().0;
                numbers.iter().for_each(|&number| each(RawFd::from_ne_bytes(number)));
            }
            rest = rest.get(length.next_multiple_of(size_of::<usize>())..).unwrap_or(&[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_address_segments_and_control_data() {
        let pool = BlockPool::new(1);
        for count in [0, 1, SEGMENTS_INLINE_MAX, SEGMENTS_INLINE_MAX + 1, SEGMENTS_MAX] {
            let mut resource = Resource::new();
            resource.set_address(&[7; 16]).unwrap();
            let iovec = |index| Ok(libc::iovec { iov_base: std::ptr::null_mut(), iov_len: index });
            resource.set_message(count, Control::Send(&[9; 100]), &pool, iovec).unwrap();
            // SAFETY: it was just set.
            let header = unsafe { resource.message().read() };
            assert_eq!((header.msg_namelen, header.msg_iovlen), (16, count));
            // SAFETY: so many were written from there on.
            let segments = unsafe { std::slice::from_raw_parts(header.msg_iov, count) };
            assert!(segments.iter().enumerate().all(|(index, segment)| segment.iov_len == index));
            let received = resource.received();
            assert_eq!((received.address, received.control), (&[7; 16][..], &[9; 100][..]));
            resource.release(&pool);
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let pool = BlockPool::new(1);
        let mut resource = Resource::new();
        assert_eq!(resource.set_address(&[0; 129]), Err(Error::Os(libc::EINVAL)));
        let iovec = |_| Ok(libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 });
        let bad = Err(Error::Kind(BadDescriptor));
        assert_eq!(resource.set_message(257, Control::NONE, &pool, iovec), bad);
        assert_eq!(resource.set_message(1, Control::Receive(129), &pool, iovec), bad);
        resource.set_message(256, Control::NONE, &pool, iovec).unwrap();
        let busy = Err(Error::Kind(Busy));
        assert_eq!(Resource::new().set_message(256, Control::NONE, &pool, iovec), busy);
    }

    /// A piece of control data, as the kernel writes it.
    fn piece(level: i32, kind: i32, numbers: &[i32]) -> Vec<u8> {
        let mut bytes = (PIECE_HEAD_BYTES + 4 * numbers.len()).to_ne_bytes().to_vec();
        bytes.extend([level, kind].iter().chain(numbers).flat_map(|number| number.to_ne_bytes()));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    fn descriptors(received: Received<'_>) -> Vec<RawFd> {
        let mut found = Vec::new();
        received.descriptors(|fd| found.push(fd));
        found
    }

    #[test]
    fn descriptors_are_found_among_other_control_data_wherever_it_lies() {
        let rights = |numbers: &[i32]| piece(libc::SOL_SOCKET, libc::SCM_RIGHTS, numbers);
        let other = piece(libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[1, 2, 3]);
        let control = [rights(&[7]), other, rights(&[8, 9, 10])].concat();
        let pool = BlockPool::new(1);
        let mut resource = Resource::new();
        resource.expect_address();
        let iovec = |_| Ok(libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 });
        resource.set_message(1, Control::Send(&control), &pool, iovec).unwrap();
        assert_eq!(descriptors(resource.received()), [7, 8, 9, 10]);
        let head = [3, control.len() as u32, 2, 0x40].map(u32::to_ne_bytes).concat();
        let picked = [&head[..], &[5; ADDRESS_BYTES_MAX], &control, b"hi"].concat();
        let received = resource.received_in(&picked);
        assert_eq!((received.address, received.flags), (&[5; 3][..], 0x40));
        assert_eq!(descriptors(received), [7, 8, 9, 10]);
        for cut in 0..picked.len() {
            assert!(descriptors(resource.received_in(&picked[..cut])).len() <= 4);
        }
    }

    #[test]
    fn an_address_comes_back_with_its_length() {
        let mut resource = Resource::new();
        assert!(resource.address().is_empty());
        resource.expect_address();
        let (address, length) = resource.address_place();
        // SAFETY: both lie in the resource.
        unsafe { address.cast::<u8>().write_bytes(3, 16) };
        // SAFETY: as above.
        unsafe { length.write(16) };
        assert_eq!(resource.address(), [3; 16]);
    }
}
