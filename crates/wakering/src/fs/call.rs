//! An op of numbers and paths, from start to end.

use super::cached::{self, Tried};
use crate::op;
use std::fmt;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{PathRole, Prepared, Resource};
use wakering_core::scheduler::{Ops, Request};
use wakering_core::slot::Outcome;

/// See the module's text.
pub(super) struct Call<'a, T> {
    /// Of a path: what it is relative to. Else the file that it is about.
    at: Option<&'a Arc<Descriptor>>,
    first: &'a [u8],
    second: Option<&'a [u8]>,
    prepared: Prepared,
    finish: fn(Outcome, &mut Resource) -> io::Result<T>,
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

// SAFETY: `prepared` names no memory: its address is null until somebody lends a resource's.
unsafe impl<T> Send for Call<'_, T> {}

impl<'a> Call<'a, ()> {
    /// About a path. Its answer is that it was done.
    pub(super) fn path(opcode: Opcode, path: &'a Path) -> Self {
        let prepared = Prepared { fd: libc::AT_FDCWD, ..Prepared::new(opcode) };
        let first = path.as_os_str().as_bytes();
        let finish = |outcome: Outcome, _: &mut Resource| op::done(outcome.result);
        Self { at: None, first, second: None, prepared, finish }
    }

    /// About an open file.
    pub(super) fn file(opcode: Opcode, file: &'a Arc<Descriptor>) -> Self {
        Self { at: Some(file), ..Self::path(opcode, Path::new("")) }
    }
}

impl<'a, T> Call<'a, T> {
    /// With a second path.
    pub(super) fn to(self, path: &'a Path) -> Self {
        Self { second: Some(path.as_os_str().as_bytes()), ..self }
    }

    /// Its paths are relative to an open directory.
    pub(super) fn relative_to(self, directory: Option<&'a Arc<Descriptor>>) -> Self {
        Self { at: directory, ..self }
    }

    /// With the system call's own flags.
    pub(super) const fn op_flags(mut self, op_flags: i32) -> Self {
        self.prepared.op_flags = op_flags as u32;
        self
    }

    /// With a mode or a mask.
    pub(super) const fn extra(mut self, low: u32, high: u32) -> Self {
        self.prepared.extra = [low, high];
        self
    }

    /// With a place in the file.
    pub(super) const fn range(mut self, offset: u64, length: u32) -> Self {
        (self.prepared.offset, self.prepared.length) = (offset, length);
        self
    }

    fn giving<U>(self, finish: fn(Outcome, &mut Resource) -> io::Result<U>) -> Call<'a, U> {
        let Self { at, first, second, prepared, .. } = self;
        Call { at, first, second, prepared, finish }
    }

    /// Its answer is a new descriptor.
    pub(super) fn giving_fd(self) -> Call<'a, OwnedFd> {
        self.giving(|outcome, _| {
            op::done(outcome.result)?;
            // SAFETY: it is new, and nobody else's.
            Ok(unsafe { OwnedFd::from_raw_fd(outcome.result) })
        })
    }

    /// Its answer is bytes of the runtime's.
    pub(super) fn giving_bytes(self) -> Call<'a, Vec<u8>> {
        self.giving(|outcome, resource| {
            op::done(outcome.result)?;
            Ok(resource.owned.take().unwrap_or_default())
        })
    }

    /// Its answer is what a Statx found.
    pub(super) fn giving_stat(self) -> Call<'a, libc::statx> {
        self.giving(|outcome, resource| {
            op::done(outcome.result)?;
            // SAFETY: `back` has room for one, is aligned, and any bytes are a valid one.
            Ok(unsafe { resource.back().cast::<libc::statx>().read() })
        })
    }

    /// Carries it out, from memory where that can answer. Interrupted, it starts again.
    pub(super) async fn run(mut self) -> io::Result<T> {
        let ops = op::current()?;
        if cached::is_worth(self.prepared.opcode, &ops) {
            match cached::attempt(&mut self).await {
                Tried::Answered(answer) => return answer,
                Tried::UnknownMount => self.prepared.flags |= op_flag::ASYNC,
                Tried::No | Tried::Unsupported => {}
            }
        }
        if is_for_thread(self.prepared.opcode, &ops) {
            self.prepared.flags |= op_flag::ASYNC;
        }
        drop(ops);
        loop {
            match op::run(&mut self).await? {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    }
}

/// A ring wakes a thread of the kernel's for each of these: where it is one alone, one of the pool's, which
/// may be awake, does it sooner.
fn is_for_thread(opcode: Opcode, ops: &Ops) -> bool {
    let changes_name = matches!(
        opcode,
        Opcode::Unlinkat | Opcode::Mkdirat | Opcode::Renameat | Opcode::Linkat | Opcode::Symlinkat
    );
    changes_name && ops.is_quiet()
}

// SAFETY: paths are copied into the resource, which keeps the file open; no other memory is named.
unsafe impl<T> Request for &mut Call<'_, T> {
    type Output = io::Result<T>;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        resource.prepared = self.prepared;
        if let Some(file) = self.at {
            resource.set_file(file);
        }
        resource.set_path(PathRole::First, self.first, blocks)?;
        match self.second {
            Some(second) => resource.set_path(PathRole::Second, second, blocks),
            None => Ok(()),
        }
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        (self.finish)(outcome, resource)
    }
}
