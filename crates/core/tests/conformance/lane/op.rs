//! An op as a test writes it down, and what it answered.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use wakering_core::Error;
use wakering_core::abi::{Opcode, completion_flag, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::resource::{AREA_BYTES, Control, PathRole, Prepared, Resource};

/// What an op answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) result: i32,
    pub(crate) flags: u32,
    pub(crate) owned: Option<Vec<u8>>,
    pub(crate) back: [u8; AREA_BYTES],
    /// Of an Accept or a Recvmsg: who it was.
    pub(crate) address: Vec<u8>,
    /// Of a Recvmsg.
    pub(crate) control: Vec<u8>,
    pub(crate) message_flags: i32,
}

impl Answer {
    /// One of several: the kernel still has what it borrowed.
    pub(super) fn in_between(result: i32, flags: u32) -> Self {
        Self {
            result,
            flags,
            owned: None,
            back: [0; AREA_BYTES],
            address: Vec::new(),
            control: Vec::new(),
            message_flags: 0,
        }
    }

    /// The two descriptors of a Pipe: where to read, where to write.
    pub(crate) fn ends(&self) -> [i32; 2] {
        let number = |at: usize| {
            let bytes = self.back[at..at + 4].try_into().expect("four bytes");
            i32::from_ne_bytes(bytes)
        };
        [number(0), number(4)]
    }

    /// Of a Recvmsg: the descriptor that came along.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        if self.result < 0 {
            return None;
        }
        let number = self.control.get(size_of::<libc::cmsghdr>()..)?.first_chunk()?;
        Some(i32::from_ne_bytes(*number))
    }

    /// The buffer that was picked for it.
    pub(crate) fn picked(&self) -> Option<u16> {
        let picked = self.flags & completion_flag::PICKED != 0;
        picked.then_some((self.flags >> completion_flag::PICKED_SHIFT) as u16)
    }

    /// What an op that is over left behind.
    pub(super) fn last(result: i32, flags: u32, resource: &mut Resource) -> Self {
        let mut answer = Self::in_between(result, flags);
        answer.back = *resource.back_bytes();
        answer.owned = resource.owned.take();
        match resource.prepared.opcode {
            Opcode::Accept => answer.address = resource.address().to_vec(),
            Opcode::Recvmsg => {
                let received = resource.received();
                answer.address = received.address.to_vec();
                answer.control = received.control.to_vec();
                answer.message_flags = received.flags;
            }
            _ => {}
        }
        answer
    }
}

#[derive(Clone, Debug)]
enum Address {
    Given(Vec<u8>),
    Expected,
}

#[derive(Clone, Debug)]
enum Ancillary {
    Send(Vec<u8>),
    Receive(usize),
}

/// An op to be started. Memory that it names outlives it.
#[derive(Clone, Debug)]
pub(crate) struct Op<'a> {
    prepared: Prepared,
    first: Cow<'a, [u8]>,
    second: Option<Cow<'a, [u8]>>,
    segments: Vec<libc::iovec>,
    message: Option<Ancillary>,
    address: Option<Address>,
    value: Vec<u8>,
    owned: Option<usize>,
}

impl<'a> Op<'a> {
    pub(crate) fn new(opcode: Opcode) -> Self {
        let mut prepared = Prepared::new(opcode);
        prepared.fd = libc::AT_FDCWD;
        Self {
            prepared,
            first: Cow::Borrowed(b""),
            second: None,
            segments: Vec::new(),
            message: None,
            address: None,
            value: Vec::new(),
            owned: None,
        }
    }

    pub(crate) fn on(opcode: Opcode, fd: i32) -> Self {
        Self::new(opcode).at(fd)
    }

    pub(crate) fn opcode(&self) -> Opcode {
        self.prepared.opcode
    }

    pub(crate) fn at(mut self, fd: i32) -> Self {
        self.prepared.fd = fd;
        self
    }

    pub(crate) fn path(mut self, path: &'a (impl AsRef<OsStr> + ?Sized)) -> Self {
        self.first = Cow::Borrowed(path.as_ref().as_bytes());
        self
    }

    pub(crate) fn second(mut self, path: &'a (impl AsRef<OsStr> + ?Sized)) -> Self {
        self.second = Some(Cow::Borrowed(path.as_ref().as_bytes()));
        self
    }

    /// The same with paths of its own.
    pub(crate) fn keep(self) -> Op<'static> {
        let own = |bytes: Cow<'a, [u8]>| Cow::Owned(bytes.into_owned());
        Op { first: own(self.first), second: self.second.map(own), ..self }
    }

    pub(crate) fn flags(mut self, flags: i32) -> Self {
        self.prepared.op_flags = flags as u32;
        self
    }

    /// Adds bits of [`op_flag`].
    pub(crate) fn mode(mut self, flags: u8) -> Self {
        self.prepared.flags |= flags;
        self
    }

    pub(crate) fn extra(mut self, extra: [u32; 2]) -> Self {
        self.prepared.extra = extra;
        self
    }

    pub(crate) fn offset(mut self, offset: u64) -> Self {
        self.prepared.offset = offset;
        self
    }

    /// Bytes, or whatever else the op calls its length.
    pub(crate) fn length(mut self, length: u32) -> Self {
        self.prepared.length = length;
        self
    }

    /// The place in the ring's table.
    pub(crate) fn place(mut self, place: u32) -> Self {
        self.prepared.fixed_file = place;
        self
    }

    /// In a registered buffer.
    pub(crate) fn registered(mut self, buffer: u16, (start, length): (*mut u8, usize)) -> Self {
        self.prepared.registered = buffer;
        self.prepared.address = start;
        self.length(length as u32)
    }

    /// Picks a buffer of this group.
    pub(crate) fn picking(mut self, group: u16) -> Self {
        self.prepared.group = group;
        self
    }

    /// Where to read into. The caller keeps it until the op is done.
    pub(crate) fn into(mut self, buffer: &mut [u8]) -> Self {
        self.prepared.address = buffer.as_mut_ptr();
        self.prepared.length = buffer.len() as u32;
        self
    }

    /// What to write. The caller keeps it until the op is done.
    pub(crate) fn from(mut self, bytes: &[u8]) -> Self {
        self.prepared.address = bytes.as_ptr().cast_mut();
        self.prepared.length = bytes.len() as u32;
        self
    }

    /// Several segments, for Readv, Writev, Sendmsg and Recvmsg.
    pub(crate) fn segments(mut self, segments: impl IntoIterator<Item = (*mut u8, usize)>) -> Self {
        let iovec = |(base, length): (*mut u8, usize)| libc::iovec {
            iov_base: base.cast(),
            iov_len: length,
        };
        self.segments = segments.into_iter().map(iovec).collect();
        self.prepared.length = self.segments.len() as u32;
        self
    }

    /// A message of the segments, with this control data.
    pub(crate) fn sending(mut self, control: &[u8]) -> Self {
        self.message = Some(Ancillary::Send(control.to_vec()));
        self
    }

    /// A message into the segments, with room for so much control data.
    pub(crate) fn receiving(mut self, control: usize) -> Self {
        self.message = Some(Ancillary::Receive(control));
        self
    }

    /// The address to bind, to connect or to send to.
    pub(crate) fn to(mut self, address: &[u8]) -> Self {
        self.address = Some(Address::Given(address.to_vec()));
        self
    }

    /// With room for the address of the peer.
    pub(crate) fn expecting_address(mut self) -> Self {
        self.address = Some(Address::Expected);
        self
    }

    /// The value of an option.
    pub(crate) fn value(mut self, value: &[u8]) -> Self {
        self.value = value.to_vec();
        self.length(value.len() as u32)
    }

    /// Reads into memory that the op brings along.
    pub(crate) fn owned(mut self, length: usize) -> Self {
        self.owned = Some(length);
        self.prepared.flags |= op_flag::OWNED_RESULT;
        self
    }

    /// Puts it into a slot's resource.
    pub(super) fn prepare(&self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        resource.prepared = self.prepared;
        match &self.address {
            Some(Address::Given(bytes)) => resource.set_address(bytes)?,
            Some(Address::Expected) => resource.expect_address(),
            None => {}
        }
        let (count, segment) = (self.segments.len(), |index: usize| Ok(self.segments[index]));
        match &self.message {
            Some(Ancillary::Send(control)) => {
                resource.set_message(count, Control::Send(control), blocks, segment)?;
            }
            Some(Ancillary::Receive(length)) => {
                resource.set_message(count, Control::Receive(*length), blocks, segment)?;
            }
            None if count > 0 => resource.set_iovecs(count, blocks, segment)?,
            None if self.address.is_none() => {
                resource.set_path(PathRole::First, &self.first, blocks)?;
            }
            None => {}
        }
        if let Some(second) = &self.second {
            resource.set_path(PathRole::Second, second, blocks)?;
        }
        if !self.value.is_empty() {
            assert!(self.value.len() <= AREA_BYTES);
            // SAFETY: `back` has AREA_BYTES, and is nobody's but the preparer's.
            unsafe { resource.back().copy_from(self.value.as_ptr(), self.value.len()) };
        }
        if let Some(length) = self.owned {
            let mut memory = Vec::with_capacity(length);
            resource.prepared.address = memory.as_mut_ptr();
            resource.prepared.length = length as u32;
            resource.owned = Some(memory);
        }
        Ok(())
    }
}
