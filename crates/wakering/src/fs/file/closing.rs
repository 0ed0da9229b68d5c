//! An explicit close.

use super::File;
use crate::op;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use wakering_core::Error;
use wakering_core::abi::Opcode;
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::Request;
use wakering_core::slot::Outcome;
use wakering_core::task::yield_now;
use wakering_core::time::sleep;

/// Closes a descriptor. Until the op is started it is this one's, then the op's.
#[derive(Debug)]
struct Close(Option<OwnedFd>);

// SAFETY: it names no memory, and a descriptor that is nobody else's.
unsafe impl Request for Close {
    type Output = io::Result<()>;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        let fd = self.0.take().map_or(-1, OwnedFd::into_raw_fd);
        resource.prepared = Prepared { fd, ..Prepared::new(Opcode::Close) };
        Ok(())
    }

    fn withdraw(&mut self, resource: &mut Resource) {
        let fd = std::mem::replace(&mut resource.prepared.fd, -1);
        // SAFETY: `prepare` put it there, and nobody has closed it.
        self.0 = (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) });
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> io::Result<()> {
        match -outcome.result {
            // It was taken back before it began, by a runtime that ends.
            libc::ECANCELED => self.withdraw(resource),
            // The number is given back whatever interrupts the rest.
            libc::EINTR => {}
            _ => return op::done(outcome.result),
        }
        Ok(())
    }
}

impl File {
    /// Closes it, and says how that went: some file systems (NFS) tell only now that what was written before
    /// is lost. Ops whose futures were dropped are waited for.
    ///
    /// Cancelled, it closes the file nevertheless.
    ///
    /// # Errors
    ///
    /// EIO, EDQUOT and so on. It is closed then too.
    pub async fn close(self) -> io::Result<()> {
        op::run(Close(Some(only(self.file).await.into_fd()))).await?
    }
}

/// The descriptor when no op has it any more. Those that do were asked to end when their futures were
/// dropped.
async fn only(mut file: Arc<Descriptor>) -> Descriptor {
    let mut turns = 0;
    loop {
        file = match Arc::try_unwrap(file) {
            Ok(descriptor) => return descriptor,
            Err(shared) => shared,
        };
        // Most end within a turn of their loop; a disk takes its time.
        match turns {
            0..16 => _ = yield_now().await,
            _ => _ = sleep(Duration::from_millis(1)).await,
        }
        turns += 1;
    }
}
