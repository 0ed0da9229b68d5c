//! Operations on an open file.

#![forbid(unsafe_code)]

use super::file_of;
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use io_uring::types::{Fd, Fixed, FsyncFlags};
use wakering_core::abi::op_flag;
use wakering_core::resource::{NOT_REGISTERED, Resource};

pub(super) fn read(resource: &mut Resource) -> Entry {
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    let (address, length) = (prepared.address, prepared.length);
    let rw_flags = prepared.op_flags as i32;
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
    kernel::Readv::new(fd, iovecs, prepared.length)
        .offset(prepared.offset)
        .rw_flags(prepared.op_flags as i32)
        .build()
        .flags(flags)
}

pub(super) fn writev(resource: &mut Resource) -> Entry {
    let iovecs = resource.iovecs();
    let prepared = &resource.prepared;
    let (fd, flags) = file_of(prepared);
    kernel::Writev::new(fd, iovecs, prepared.length)
        .offset(prepared.offset)
        .rw_flags(prepared.op_flags as i32)
        .build()
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
