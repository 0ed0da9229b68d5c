//! A socket that takes connections, one op for many of them.

use crate::op;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;
use wakering_core::Error;
use wakering_core::abi::{ErrorKind, Opcode, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::{Request, Shot, Shots};
use wakering_core::slot::Outcome;
use wakering_core::sync::Mutex;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Listener {
    file: Arc<Descriptor>,
    accepting: Mutex<Accepting>,
}

#[derive(Debug)]
struct Accepting {
    shots: Option<Shots<Accept>>,
    /// The kernel takes no op of many answers for this socket.
    one_only: bool,
}

/// Takes a connection, or one after the other.
#[derive(Debug)]
struct Accept {
    file: Arc<Descriptor>,
    flags: u8,
}

// SAFETY: it names no memory; the resource keeps the file open.
unsafe impl Request for Accept {
    type Output = Outcome;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        resource.prepared = Prepared {
            flags: self.flags,
            op_flags: libc::SOCK_CLOEXEC as u32,
            ..Prepared::new(Opcode::Accept)
        };
        resource.set_file(&self.file);
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, _: &mut Resource) -> Outcome {
        outcome
    }
}

impl Listener {
    pub(super) fn new(file: Arc<Descriptor>) -> Self {
        let accepting = Accepting { shots: None, one_only: false };
        Self { file, accepting: Mutex::new(accepting) }
    }

    pub(super) fn file(&self) -> &Descriptor {
        &self.file
    }

    /// The next connection. Several tasks may ask: each gets its own, in turn. Dropped, it loses none.
    pub(super) async fn accept(&self) -> io::Result<OwnedFd> {
        let mut accepting = self.accepting.lock().await;
        loop {
            let answer = accepting.next(&self.file).await?;
            match -answer {
                // The op ended without a connection: it was cancelled, or interrupted.
                libc::ECANCELED | libc::EINTR => {}
                libc::EINVAL if !accepting.one_only => accepting.one_only = true,
                _ => {
                    op::done(answer)?;
                    // SAFETY: it is new, and nobody else's.
                    return Ok(unsafe { OwnedFd::from_raw_fd(answer) });
                }
            }
        }
    }
}

impl Accepting {
    async fn next(&mut self, file: &Arc<Descriptor>) -> io::Result<i32> {
        loop {
            let shots = match &mut self.shots {
                Some(shots) => shots,
                None => {
                    let flags = if self.one_only { 0 } else { op_flag::MULTISHOT };
                    let accept = Accept { file: file.clone(), flags };
                    self.shots.insert(op::current()?.start_many(accept))
                }
            };
            match shots.next().await {
                Ok(Shot::More(outcome)) => return Ok(outcome.result),
                Ok(Shot::Last(outcome)) => {
                    self.shots = None;
                    return Ok(outcome.result);
                }
                Err(Error::Kind(ErrorKind::Busy)) => {
                    let ops = shots.ops().clone();
                    self.shots = None;
                    ops.room().await;
                }
                Err(error) => {
                    self.shots = None;
                    return Err(op::io_error(error));
                }
            }
        }
    }
}
