//! Bytes between a pipe and another file, without a copy in between.

use super::file::File;
use crate::op;
use std::io;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{Opcode, POSITION_CURRENT};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

struct Splice<'a> {
    from: &'a Arc<Descriptor>,
    to: &'a Arc<Descriptor>,
    prepared: Prepared,
}

// SAFETY: `prepared` names no memory.
unsafe impl Send for Splice<'_> {}

// SAFETY: it names no memory; the resource keeps both files open.
unsafe impl Request for &mut Splice<'_> {
    type Output = io::Result<usize>;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        resource.prepared = self.prepared;
        resource.set_file(self.to);
        resource.set_source(self.from);
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, _: &mut Resource) -> io::Result<usize> {
        op::count(outcome.result)
    }
}

/// Moves bytes from one file to another, one of which is a pipe; how many. It waits for the pipe: for
/// something in it, or for room. None is the end.
///
/// A place is of a file that has places; without one it is the file's own position, or what a pipe holds.
///
/// Cancelled, it may have moved some or all of them.
///
/// # Errors
///
/// EINVAL where neither is a pipe, or the file cannot be used so; ESPIPE where a pipe is given a place;
/// EBADF, EPIPE and so on.
pub async fn splice(
    from: &File,
    from_offset: Option<u64>,
    to: &File,
    to_offset: Option<u64>,
    length: usize,
) -> io::Result<usize> {
    for offset in [from_offset, to_offset].into_iter().flatten() {
        super::file::checked(offset)?;
    }
    let prepared = Prepared {
        length: length.min(i32::MAX as usize) as u32,
        offset: to_offset.unwrap_or(POSITION_CURRENT),
        offset_from: from_offset.unwrap_or(POSITION_CURRENT),
        ..Prepared::new(Opcode::Splice)
    };
    let (from, to) = (from.descriptor(), to.descriptor());
    let mut splice = Splice { from, to, prepared };
    loop {
        match op::run(&mut splice).await? {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            moved => return moved,
        }
    }
}
