//! Descriptors, one function for each kind.

use super::Port;
use std::path::Path;
use wakering_core::abi::{
    HandleId, OpDescriptor, Opcode, POSITION_CURRENT, Segment, buffer_kind, op_flag,
};

fn with_path(port: &mut Port, opcode: Opcode, path: impl AsRef<Path>) -> OpDescriptor {
    let [start, length] = port.put_path(path);
    OpDescriptor { args: [start, length, 0, 0, 0, 0], ..OpDescriptor::new(opcode) }
}

/// OpenAt, with mode 0600.
pub fn open(port: &mut Port, path: impl AsRef<Path>, flags: i32) -> OpDescriptor {
    let mut d = with_path(port, Opcode::OpenAt, path);
    d.args[4] = 0o600;
    OpDescriptor { op_flags: flags as u32, ..d }
}

/// Statx of a path, everything.
pub fn stat(port: &mut Port, path: impl AsRef<Path>) -> OpDescriptor {
    let mut d = with_path(port, Opcode::Statx, path);
    d.args[4] = libc::STATX_BASIC_STATS;
    d
}

/// An op that takes one path.
pub fn on_path(port: &mut Port, opcode: Opcode, path: impl AsRef<Path>) -> OpDescriptor {
    with_path(port, opcode, path)
}

/// An op that takes two paths.
pub fn on_paths(
    port: &mut Port,
    opcode: Opcode,
    first: impl AsRef<Path>,
    second: impl AsRef<Path>,
) -> OpDescriptor {
    let mut d = with_path(port, opcode, first);
    [d.args[2], d.args[3]] = port.put_path(second);
    d
}

/// Close.
pub fn close(handle: HandleId) -> OpDescriptor {
    on(Opcode::Close, handle)
}

/// An op of a handle alone.
pub fn on(opcode: Opcode, handle: HandleId) -> OpDescriptor {
    OpDescriptor { handle, ..OpDescriptor::new(opcode) }
}

/// Read or Write on the port's slab.
pub fn on_slab(
    port: &Port,
    opcode: Opcode,
    handle: HandleId,
    range: std::ops::Range<u32>,
    position: u64,
) -> OpDescriptor {
    OpDescriptor {
        buffer_kind: buffer_kind::SLAB,
        buffer: port.lent,
        buffer_offset: range.start,
        length: range.end - range.start,
        offset: position,
        ..on(opcode, handle)
    }
}

/// Read into memory of the runtime, or Write of what was staged.
pub fn on_owned(opcode: Opcode, handle: HandleId, length: u32, position: u64) -> OpDescriptor {
    OpDescriptor {
        buffer_kind: buffer_kind::OWNED,
        flags: if opcode == Opcode::Read { op_flag::OWNED_RESULT } else { 0 },
        length,
        offset: position,
        ..on(opcode, handle)
    }
}

/// A read that waits: of a pipe, at its own position.
pub fn read_stream(port: &Port, handle: HandleId, range: std::ops::Range<u32>) -> OpDescriptor {
    on_slab(port, Opcode::Read, handle, range, POSITION_CURRENT)
}

/// Readv or Writev of ranges of the port's slab.
pub fn on_segments(
    port: &mut Port,
    opcode: Opcode,
    handle: HandleId,
    ranges: &[(u32, u32)],
    position: u64,
) -> OpDescriptor {
    let mut bytes = Vec::new();
    for &(offset, length) in ranges {
        let Segment { buffer, offset, length } = Segment { buffer: port.lent, offset, length };
        for word in [buffer, offset, length] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
    }
    let start = port.put(&bytes);
    let args = [start, ranges.len() as u32, 0, 0, 0, 0];
    OpDescriptor { offset: position, args, ..on(opcode, handle) }
}

/// A timer.
pub fn sleep(nanoseconds: u64) -> OpDescriptor {
    OpDescriptor { offset: nanoseconds, ..OpDescriptor::new(Opcode::Timeout) }
}

/// Asks that the op in `slot` be cancelled.
pub fn cancel(slot: u32) -> OpDescriptor {
    OpDescriptor { args: [0, 0, 0, 0, slot, 0], ..OpDescriptor::new(Opcode::Cancel) }
}

/// The same op, never attempted on the calling thread.
pub fn forced(d: OpDescriptor) -> OpDescriptor {
    OpDescriptor { flags: d.flags | op_flag::ASYNC, ..d }
}
