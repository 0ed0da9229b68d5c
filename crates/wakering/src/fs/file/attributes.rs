//! Extended attributes.

use super::File;
use crate::buf::{Buf, BufResult};
use crate::op;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{PathRole, Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;

/// Most values are shorter; none is longer than the second (`XATTR_SIZE_MAX`).
const ROOM: usize = 256;
const ROOM_MAX: usize = 64 << 10;

/// Gets or sets one attribute.
#[derive(Debug)]
struct Attribute<'a> {
    file: &'a Arc<Descriptor>,
    opcode: Opcode,
    name: &'a OsStr,
    value: Vec<u8>,
}

// SAFETY: the resource keeps the value, and the file open; the name is copied.
unsafe impl Request for &mut Attribute<'_> {
    type Output = BufResult<(), Vec<u8>>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        let mut value = std::mem::take(&mut self.value);
        let length = match self.opcode {
            Opcode::Getxattr => value.capacity(),
            _ => value.len(),
        };
        resource.prepared = Prepared {
            address: value.as_mut_ptr(),
            length: u32::try_from(length).unwrap_or(u32::MAX),
            ..Prepared::new(self.opcode)
        };
        resource.owned = Some(value);
        resource.set_file(self.file);
        resource.set_path(PathRole::First, b"", blocks)?;
        resource.set_path(PathRole::Second, self.name.as_bytes(), blocks)
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        self.value = resource.owned.take().unwrap_or_default();
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        let mut value = resource.owned.take().unwrap_or_default();
        let count = op::count(outcome.result);
        if let (Opcode::Getxattr, Ok(count)) = (self.opcode, &count) {
            // SAFETY: the kernel has written so many bytes from its start, within its capacity.
            unsafe { value.set_len((*count).min(value.capacity())) };
        }
        (count.map(|_| ()), value)
    }
}

impl Attribute<'_> {
    async fn run(mut self) -> BufResult<(), Vec<u8>> {
        match op::run(&mut self).await {
            Ok(answer) => answer,
            Err(error) => (Err(error), self.value),
        }
    }
}

impl File {
    /// The value of an extended attribute: `user.` and so on.
    ///
    /// Safe to cancel.
    ///
    /// # Errors
    ///
    /// ENODATA where there is none of that name, EOPNOTSUPP where the file system has none at all.
    pub async fn xattr(&self, name: impl AsRef<OsStr>) -> io::Result<Vec<u8>> {
        let (file, opcode, name) = (&self.file, Opcode::Getxattr, name.as_ref());
        for room in [ROOM, ROOM_MAX] {
            let value = Vec::with_capacity(room);
            let (got, value) = Attribute { file, opcode, name, value }.run().await;
            match got {
                Err(error) if error.raw_os_error() == Some(libc::ERANGE) && room < ROOM_MAX => {}
                got => return got.map(|()| value),
            }
        }
        unreachable!("the last one has returned")
    }

    /// Sets an extended attribute.
    ///
    /// Cancelled, it may have done so.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP, ENOSPC, E2BIG, EPERM and so on.
    pub async fn set_xattr<B: Buf>(&self, name: impl AsRef<OsStr>, value: B) -> BufResult<(), B> {
        let (name, value) = (name.as_ref(), value.into_vec());
        let set = Attribute { file: &self.file, opcode: Opcode::Setxattr, name, value };
        let (set, value) = set.run().await;
        (set, B::from_vec(value))
    }
}
