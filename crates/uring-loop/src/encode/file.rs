//! Operations on an open file.

#![forbid(unsafe_code)]

use super::file_of;
use io_uring::opcode as kernel;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd, Fixed, FsyncFlags};
use wakering_core::abi::op_flag;
use wakering_core::resource::{NOT_PICKED, NOT_REGISTERED, Resource};

/// Into its own buffer, or one that is picked; again and again with MULTISHOT, from what can be waited
/// for.
pub(super) fn read(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let (address, length) = (prepared.address, prepared.length);
    let rw_flags = prepared.op_flags as i32;
    if prepared.flags & op_flag::MULTISHOT != 0 {
        let read = kernel::ReadMulti::new(fd, length, prepared.group).offset(prepared.offset);
        return read.build().flags(flags);
    }
    if prepared.group != NOT_PICKED {
        let read = kernel::Read::new(fd, std::ptr::null_mut(), length).offset(prepared.offset);
        let read = read.rw_flags(rw_flags).buf_group(prepared.group);
        return read.build().flags(flags | Flags::BUFFER_SELECT);
    }
    match prepared.registered {
        NOT_REGISTERED => kernel::Read::new(fd, address, length)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
        index => kernel::ReadFixed::new(fd, address, length, index)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
    }
    .flags(flags)
}

pub(super) fn write(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let (address, length) = (prepared.address, prepared.length);
    let rw_flags = prepared.op_flags as i32;
    match prepared.registered {
        NOT_REGISTERED => kernel::Write::new(fd, address, length)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
        index => kernel::WriteFixed::new(fd, address, length, index)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
    }
    .flags(flags)
}

pub(super) fn readv(resource: &mut Resource) -> Entry {
    let iovecs = resource.iovecs();
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let rw_flags = prepared.op_flags as i32;
    match prepared.registered {
        NOT_REGISTERED => kernel::Readv::new(fd, iovecs, prepared.length)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
        index => kernel::ReadvFixed::new(fd, iovecs, prepared.length, index)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
    }
    .flags(flags)
}

pub(super) fn writev(resource: &mut Resource) -> Entry {
    let iovecs = resource.iovecs();
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let rw_flags = prepared.op_flags as i32;
    match prepared.registered {
        NOT_REGISTERED => kernel::Writev::new(fd, iovecs, prepared.length)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
        index => kernel::WritevFixed::new(fd, iovecs, prepared.length, index)
            .offset(prepared.offset)
            .rw_flags(rw_flags)
            .build(),
    }
    .flags(flags)
}

pub(super) fn fsync(resource: &mut Resource) -> Entry {
    let (fd, flags) = file_of(&resource.prepared);
    kernel::Fsync::new(fd).build().flags(flags)
}

pub(super) fn fdatasync(resource: &mut Resource) -> Entry {
    let (fd, flags) = file_of(&resource.prepared);
    kernel::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build().flags(flags)
}

pub(super) fn ftruncate(resource: &mut Resource) -> Entry {
    let (fd, flags) = file_of(&resource.prepared);
    kernel::Ftruncate::new(fd, resource.prepared.offset).build().flags(flags)
}

pub(super) fn fallocate(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let [low, high] = prepared.extra;
    kernel::Fallocate::new(fd, u64::from(high) << 32 | u64::from(low))
        .offset(prepared.offset)
        .mode(prepared.op_flags as i32)
        .build()
        .flags(flags)
}

/// A place of the ring's table with DIRECT, else a descriptor (never both: a registered file's
/// place is given back by [`crate::UringDriver::unregister_file`]).
pub(super) fn close(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    if prepared.flags & op_flag::DIRECT != 0 {
        kernel::Close::new(Fixed(prepared.fixed_file)).build()
    } else {
        kernel::Close::new(Fd(prepared.fd)).build()
    }
}

pub(super) fn sync_file_range(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    kernel::SyncFileRange::new(fd, prepared.length)
        .offset(prepared.offset)
        .flags(prepared.op_flags)
        .build()
        .flags(flags)
}

pub(super) fn fadvise(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    kernel::Fadvise::new(fd, i64::from(prepared.length), prepared.op_flags as i32)
        .offset(prepared.offset)
        .build()
        .flags(flags)
}

/// A position of [`wakering_core::abi::POSITION_CURRENT`] is the system call's own "no position".
pub(super) fn splice(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let from = Fd(prepared.extra[0] as i32);
    let (offset_from, offset) = (prepared.offset_from as i64, prepared.offset as i64);
    kernel::Splice::new(from, offset_from, fd, offset, prepared.length)
        .flags(prepared.op_flags)
        .build()
        .flags(flags)
}

/// Both ends go to `back`, closed on exec.
pub(super) fn pipe(resource: &mut Resource) -> Entry {
    let flags = resource.prepared.op_flags | libc::O_CLOEXEC as u32;
    kernel::Pipe::new(resource.back().cast()).flags(flags).build()
}

/// Of a place in the ring's table. The kernel closes it on exec unless it is told otherwise.
pub(super) fn install_fixed(resource: &mut Resource) -> Entry {
    const NO_CLOEXEC: u32 = 1;
    let prepared = &resource.prepared;
    let close_on_exec = prepared.op_flags & libc::O_CLOEXEC as u32 != 0;
    let flags = if close_on_exec { 0 } else { NO_CLOEXEC };
    kernel::FixedFdInstall::new(Fixed(prepared.fixed_file), flags).build()
}
