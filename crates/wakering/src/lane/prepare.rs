//! From a descriptor to a prepared resource: every number that came from outside is checked here.

use super::content::Content;
use super::memory::{Memory, Range};
use super::position::Beginning;
use super::side::Side;
use super::spares::Spares;
use wakering_core::Error;
use wakering_core::abi::{
    CONTENT_BYTES_MAX, ErrorKind, HANDLE_NONE, HandleId, OWNED_BYTES_MAX, OpDescriptor, Opcode,
    POSITION_CURRENT, Segment, buffer_kind, op_flag,
};
use wakering_core::block::BlockPool;
use wakering_core::handle::{FileKind, HandleTable};
use wakering_core::policy::FIXED_FILE_TRANSFERS;
use wakering_core::resource::{NOT_FIXED, NOT_REGISTERED, PathRole, Prepared, Resource};

/// What preparing needs of the lane.
pub(super) struct Preparation<'a> {
    pub(super) handles: &'a mut HandleTable,
    pub(super) memory: &'a mut Memory,
    pub(super) spares: &'a mut Spares,
    pub(super) blocks: &'a mut BlockPool,
    pub(super) side: &'a mut Side,
    pub(super) arena: &'a [u8],
    /// Whether the driver is a ring: only that may be given registered memory.
    pub(super) ring: bool,
}

/// What the lane must know to choose where the op goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prospect {
    /// The buffer, where it lies in lent memory: it has to bounce unless the op is done on this
    /// thread, or by a ring that holds the memory.
    pub(super) lent: Option<Range>,
    /// Whether it lies in lent memory that the kernel holds.
    pub(super) registered: bool,
    /// Whether its file is a stream, whose other end may take its time.
    pub(super) stream: bool,
    /// Whether an attempt that cannot block has a chance.
    pub(super) may_be_cached: bool,
    /// Whether its file has become one that is worth a place in the ring's table.
    pub(super) hot: bool,
}

/// Flags that a port's descriptors may not have.
const RUST_ONLY: u8 = op_flag::DIRECT | op_flag::LINK | op_flag::HARDLINK | op_flag::MULTISHOT;

impl Preparation<'_> {
    /// Fills `resource` from `d`.
    pub(super) fn prepare(
        &mut self,
        opcode: Opcode,
        d: &OpDescriptor,
        resource: &mut Resource,
    ) -> Result<Prospect, Error> {
        resource.prepared = Prepared {
            flags: d.flags,
            op_flags: d.op_flags,
            offset: d.offset,
            length: d.length,
            extra: [d.args[4], d.args[5]],
            handle: d.handle,
            fixed_file: NOT_FIXED,
            registered: NOT_REGISTERED,
            ..Prepared::new(opcode)
        };
        if d.flags & RUST_ONLY != 0 {
            // A direct descriptor lives inside a chain and has no handle to name it by; a port has no
            // chains, and one record for each op.
            return Err(ErrorKind::Unsupported.into());
        }
        let mut prospect = Prospect::default();
        match opcode {
            Opcode::Nop | Opcode::Timeout => {}
            Opcode::Close => {}
            Opcode::Read | Opcode::Write => {
                prospect = self.file(d.handle, resource)?;
                prospect.lent = self.buffer(opcode, d, resource)?;
                prospect.registered = resource.prepared.registered != NOT_REGISTERED;
            }
            Opcode::Readv | Opcode::Writev => {
                self.file(d.handle, resource)?;
                self.segments(opcode, d, resource)?;
            }
            Opcode::Fsync
            | Opcode::Fdatasync
            | Opcode::Ftruncate
            | Opcode::Fallocate
            | Opcode::PollAdd => {
                self.file(d.handle, resource)?;
            }
            Opcode::Statx => {
                self.place(d.handle, resource)?;
                // No path means the handle itself, and no file where there is none either: both
                // drivers see to that.
                self.path(d, PathRole::First, resource)?;
                prospect.may_be_cached = true;
            }
            Opcode::Renameat | Opcode::Linkat | Opcode::Symlinkat | Opcode::CopyFile => {
                self.place(d.handle, resource)?;
                self.path(d, PathRole::First, resource)?;
                self.path(d, PathRole::Second, resource)?;
            }
            Opcode::OpenAt
            | Opcode::Unlinkat
            | Opcode::Mkdirat
            | Opcode::Readdir
            | Opcode::Readlink
            | Opcode::Realpath
            | Opcode::Access => {
                if d.flags & op_flag::CONTENT != 0 {
                    self.content(opcode, d)?;
                }
                self.place(d.handle, resource)?;
                self.path(d, PathRole::First, resource)?;
                prospect.may_be_cached = matches!(opcode, Opcode::OpenAt | Opcode::Access);
            }
            Opcode::Cancel | Opcode::CancelHandle | Opcode::CancelAll => {
                return Err(ErrorKind::BadDescriptor.into());
            }
            _ => return Err(ErrorKind::Unsupported.into()),
        }
        Ok(prospect)
    }

    /// Content comes from an open that only reads.
    fn content(&mut self, opcode: Opcode, d: &OpDescriptor) -> Result<(), Error> {
        let reads = d.op_flags as i32 & (libc::O_ACCMODE | libc::O_PATH) == libc::O_RDONLY;
        if opcode != Opcode::OpenAt || !reads || d.length > CONTENT_BYTES_MAX {
            return Err(ErrorKind::BadDescriptor.into());
        }
        self.side.content = Some(Content::Wanted { bytes_max: d.length });
        Ok(())
    }

    /// The open file of a handle, counted in, and what that says of an op that moves data.
    fn file(&mut self, id: HandleId, resource: &mut Resource) -> Result<Prospect, Error> {
        let Prepared { opcode, offset, .. } = resource.prepared;
        let entry = self.handles.get(id)?;
        let moves_data =
            matches!(opcode, Opcode::Read | Opcode::Readv | Opcode::Write | Opcode::Writev);
        if moves_data && offset != POSITION_CURRENT && entry.kind == FileKind::Stream {
            // What pread(2) says. A ring would ignore the position and take the bytes.
            return Err(Error::Os(libc::ESPIPE));
        }
        resource.prepared.fd = entry.fd;
        resource.prepared.fixed_file = entry.fixed_file;
        entry.in_flight += 1;
        self.side.handle = id;
        let writes = matches!(opcode, Opcode::Write | Opcode::Writev);
        if self.ring && writes && offset == POSITION_CURRENT && entry.in_flight == 1 {
            self.side.beginning = Beginning::of(entry.fd);
        }
        // At the file's own position an attempt would overtake the ops that are on their way.
        let in_order = offset != POSITION_CURRENT || entry.in_flight == 1;
        let regular = entry.kind != FileKind::Stream;
        if moves_data && regular {
            entry.transfers = entry.transfers.saturating_add(1);
        }
        Ok(Prospect {
            lent: None,
            registered: false,
            stream: !regular,
            may_be_cached: !entry.no_nowait && regular && in_order,
            hot: self.ring
                && entry.transfers >= FIXED_FILE_TRANSFERS
                && entry.fixed_file == NOT_FIXED,
        })
    }

    /// The directory that a path is relative to.
    fn place(&mut self, id: HandleId, resource: &mut Resource) -> Result<(), Error> {
        if id.index == HANDLE_NONE {
            resource.prepared.fd = libc::AT_FDCWD;
            return Ok(());
        }
        self.file(id, resource).map(|_| ())
    }

    /// Copies a path from the arena.
    fn path(
        &mut self,
        d: &OpDescriptor,
        role: PathRole,
        resource: &mut Resource,
    ) -> Result<(), Error> {
        let arg = 2 * role as usize;
        let (start, length) = (d.args[arg] as usize, d.args[arg + 1] as usize);
        let bytes = start.checked_add(length).and_then(|end| self.arena.get(start..end));
        let bytes = bytes.ok_or(Error::Kind(ErrorKind::BadDescriptor))?;
        resource.set_path(role, bytes, self.blocks)
    }

    /// Where the data is. `Some` range where it is lent memory.
    fn buffer(
        &mut self,
        opcode: Opcode,
        d: &OpDescriptor,
        resource: &mut Resource,
    ) -> Result<Option<Range>, Error> {
        match d.buffer_kind {
            buffer_kind::SLAB => {
                let range = self.memory.range(d.buffer, d.buffer_offset, d.length)?;
                resource.prepared.address = self.memory.here(range);
                let registered = self.memory.registered(range);
                if self.ring && registered != NOT_REGISTERED {
                    resource.prepared.registered = registered;
                }
                Ok(Some(range))
            }
            buffer_kind::OWNED if d.length <= OWNED_BYTES_MAX => {
                let mut owned = match (opcode, self.side.owned.take()) {
                    (Opcode::Write, Some(staged)) if staged.len() >= d.length as usize => staged,
                    (Opcode::Read, _) => self.room(d)?,
                    _ => return Err(ErrorKind::BadBuffer.into()),
                };
                resource.prepared.address = owned.as_mut_ptr();
                resource.owned = Some(owned);
                Ok(None)
            }
            buffer_kind::NONE if d.length == 0 => Ok(None),
            _ => Err(ErrorKind::BadBuffer.into()),
        }
    }

    /// Memory of the runtime's for a read. What the caller will keep is made for it.
    fn room(&mut self, d: &OpDescriptor) -> Result<Vec<u8>, Error> {
        let length = d.length as usize;
        if d.flags & op_flag::OWNED_RESULT == 0
            && let Some(spare) = self.spares.take(length)
        {
            return Ok(spare);
        }
        let mut fresh = Vec::new();
        fresh.try_reserve_exact(length).map_err(|_| Error::Os(libc::ENOMEM))?;
        Ok(fresh)
    }

    /// Segments of lent memory. They always go by the bounce region: the kernel has no vectored
    /// calls on registered buffers before 6.15.
    fn segments(
        &mut self,
        opcode: Opcode,
        d: &OpDescriptor,
        resource: &mut Resource,
    ) -> Result<(), Error> {
        const BYTES: usize = size_of::<Segment>();
        let (start, count) = (d.args[0] as usize, d.args[1] as usize);
        let end = count.checked_mul(BYTES).and_then(|bytes| start.checked_add(bytes));
        let bytes = end.and_then(|end| self.arena.get(start..end));
        let bytes = bytes.ok_or(Error::Kind(ErrorKind::BadDescriptor))?;
        let memory = &mut *self.memory;
        resource.set_iovecs(count, self.blocks, |index| {
            let word = |at: usize| {
                let place = index * BYTES + at * 4;
                let word = [bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]];
                u32::from_ne_bytes(word)
            };
            let range = memory.range(word(0), word(1), word(2))?;
            let address = memory.away(range, opcode == Opcode::Writev);
            Ok(libc::iovec { iov_base: address.cast(), iov_len: word(2) as usize })
        })?;
        resource.prepared.length = count as u32;
        Ok(())
    }
}
