//! What an op is to do, and what becomes of its answer.

use crate::abi::Opcode;
use crate::block::BlockPool;
use crate::error::Error;
use crate::resource::{Prepared, Resource};
use crate::slot::Outcome;

/// Describes an op.
///
/// # Safety
///
/// What [`prepare`](Self::prepare) names (addresses, descriptors, buffers of a ring's table) is good for the
/// op that it asks for until the op's last completion, which may come long after the future is dropped: it
/// lies in the [`Resource`], or stays for other reasons.
pub unsafe trait Request: Unpin {
    /// What it gives.
    type Output;

    /// Says what to do and lends what the kernel is to borrow. Called again where the loop had no room.
    ///
    /// # Errors
    ///
    /// Whatever makes the op impossible; then it was not started.
    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error>;

    /// It was prepared and could not be started: takes back what it lent, for the next time.
    fn withdraw(&mut self, _resource: &mut Resource) {}

    /// Makes something of the answer, and takes back what was lent.
    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output;
}

/// Does nothing, and says that it was done.
#[derive(Clone, Copy, Debug)]
pub struct Nop;

// SAFETY: it names nothing.
unsafe impl Request for Nop {
    type Output = Outcome;

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        resource.prepared = Prepared::new(Opcode::Nop);
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, _: &mut Resource) -> Outcome {
        outcome
    }
}

/// An op that a closure prepares. It gives the [`Outcome`].
#[derive(Debug)]
pub struct Described<F>(F);

/// Describes an op by a closure that prepares it.
///
/// # Safety
///
/// As for [`Request`].
pub unsafe fn describe<F>(prepare: F) -> Described<F>
where
    F: FnMut(&mut Resource, &BlockPool) -> Result<(), Error> + Unpin,
{
    Described(prepare)
}

// SAFETY: whoever made it promised the same.
unsafe impl<F> Request for Described<F>
where
    F: FnMut(&mut Resource, &BlockPool) -> Result<(), Error> + Unpin,
{
    type Output = Outcome;

    fn prepare(&mut self, resource: &mut Resource, blocks: &BlockPool) -> Result<(), Error> {
        (self.0)(resource, blocks)
    }

    fn finish(&mut self, outcome: Outcome, _: &mut Resource) -> Outcome {
        outcome
    }
}
