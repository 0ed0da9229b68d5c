//! The handle of a task: what awaits it, aborts it, or lets it go.

mod waiting;

use super::header::TaskRef;
use super::run;
use super::state::{End, Joinable};
use super::vtable::Payload;
use super::{TaskId, waker};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a task has no output.
pub struct JoinError {
    payload: Option<Payload>,
}

impl JoinError {
    /// Whether the task was aborted, by its handle or by its scheduler's end.
    pub fn is_cancelled(&self) -> bool {
        self.payload.is_none()
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        self.payload.is_some()
    }

    /// What the panic carried, for [`std::panic::resume_unwind`]; `None` where there was none.
    pub fn into_panic(self) -> Option<Box<dyn std::any::Any + Send + 'static>> {
        self.payload
    }

    fn message(&self) -> Option<&str> {
        let payload = self.payload.as_ref()?;
        payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

// SAFETY: the payload is Send, and by reference only text is read from it.
unsafe impl Sync for JoinError {}

impl std::fmt::Debug for JoinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.payload, self.message()) {
            (None, _) => f.write_str("JoinError::Cancelled"),
            (_, Some(message)) => write!(f, "JoinError::Panic({message:?})"),
            _ => f.write_str("JoinError::Panic(..)"),
        }
    }
}

impl std::fmt::Display for JoinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.payload, self.message()) {
            (None, _) => f.write_str("the task was cancelled"),
            (_, Some(message)) => write!(f, "the task panicked: {message}"),
            _ => f.write_str("the task panicked"),
        }
    }
}

impl std::error::Error for JoinError {}

/// The handle of a task. Awaited, it gives the output, or says that there is none.
///
/// Dropping it lets the task go on alone (as [`Self::detach`]); [`Self::abort`] stops it.
///
/// Safe to cancel: awaited by reference (`&mut handle`), nothing is lost when the await is dropped.
///
/// A handle may go to another thread only where the output may:
///
/// ```compile_fail
/// fn goes<T: Send>(_: T) {}
/// let scheduler = wakering_core::scheduler::LocalScheduler::new().unwrap();
/// goes(scheduler.spawn(async { std::rc::Rc::new(1) }).anywhere());
/// ```
///
/// The output is given once: who awaits the handle has used it up.
///
/// ```compile_fail,E0382
/// async fn twice(join: wakering_core::task::JoinHandle<u32>) {
///     let _ = join.await;
///     let _ = join.await;
/// }
/// ```
///
/// And who has detached it has nothing to await:
///
/// ```compile_fail,E0382
/// async fn both(join: wakering_core::task::JoinHandle<u32>) {
///     join.detach();
///     let _ = join.await;
/// }
/// ```
#[must_use = "dropped, the task goes on alone: say `detach` if that is meant"]
pub struct JoinHandle<T, W: Whereabouts = Anywhere> {
    /// With the reference that JOIN stands for (I4 of the state). `None` once the output was given out,
    /// and the reference with it. One word: what is written in parts and moved whole has to wait for
    /// the parts.
    task: Option<TaskRef>,
    output: PhantomData<(T, W)>,
}

/// The handle of a task whose thread spawned it. It stays on that thread, and so a join takes no
/// atomic read-modify-write; [`anywhere`](Self::anywhere) makes one of it that may go.
///
/// ```
/// let scheduler = wakering_core::scheduler::LocalScheduler::new().unwrap();
/// let handle = scheduler.spawn(async { 7 }).anywhere();
/// let waiting = std::thread::spawn(|| wakering_core::task::block_on(handle));
/// scheduler.run().unwrap();
/// assert_eq!(waiting.join().unwrap().unwrap(), 7);
/// ```
///
/// ```compile_fail
/// let scheduler = wakering_core::scheduler::LocalScheduler::new().unwrap();
/// let handle = scheduler.spawn(async { 7 });
/// std::thread::spawn(|| wakering_core::task::block_on(handle));
/// ```
pub type LocalJoinHandle<T> = JoinHandle<T, AtHome>;

/// Where a [`JoinHandle`] may be: [`Anywhere`] or [`AtHome`]; sealed.
pub trait Whereabouts: Sealed {
    /// Whether it stays on the thread that spawned the task.
    const AT_HOME: bool;
}

/// See [`Whereabouts`].
#[derive(Clone, Copy, Debug)]
pub enum Anywhere {}

/// See [`Whereabouts`].
#[derive(Clone, Copy, Debug)]
pub struct AtHome {
    _stays: PhantomData<*mut ()>,
}

/// Nobody else implements it.
pub trait Sealed {}
impl Sealed for Anywhere {}
impl Sealed for AtHome {}

impl Whereabouts for Anywhere {
    const AT_HOME: bool = false;
}

impl Whereabouts for AtHome {
    const AT_HOME: bool = true;
}

// SAFETY: of the task it reaches the state, the joiner's waker (I5) and, after Complete, the output
// (I6), which may move.
unsafe impl<T: Send> Send for JoinHandle<T, Anywhere> {}
// SAFETY: by reference only the state is read or marked.
unsafe impl<T: Send> Sync for JoinHandle<T, Anywhere> {}

impl<T, W: Whereabouts> Unpin for JoinHandle<T, W> {}

impl<T, W: Whereabouts> std::fmt::Debug for JoinHandle<T, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinHandle").field("done", &self.task.is_none()).finish_non_exhaustive()
    }
}

impl<T> LocalJoinHandle<T> {
    /// The same handle, which may go to another thread if the output may.
    pub fn anywhere(self) -> JoinHandle<T> {
        if let Some(task) = self.task {
            task.state().let_join_go();
        }
        JoinHandle { task: std::mem::ManuallyDrop::new(self).task, output: PhantomData }
    }
}

impl<T, W: Whereabouts> JoinHandle<T, W> {
    /// # Safety
    ///
    /// The task was just spawned, this is the only handle of it, and its output is a `T`. Where it is
    /// to be anywhere, the state knows that.
    #[inline]
    pub(super) const unsafe fn new(task: TaskRef) -> Self {
        Self { task: Some(task), output: PhantomData }
    }

    /// Lets the task go on alone. The same as dropping the handle, in words.
    #[inline]
    pub fn detach(self) {}

    /// Asks the task to stop: its future is dropped where it runs, at its next turn, and whoever
    /// awaits the handle gets a cancelled [`JoinError`]. Nothing happens to a task that is over.
    pub fn abort(&self) {
        if let Some(task) = self.task {
            waker::abort(task);
        }
    }

    /// A handle that can only abort, for somebody else.
    pub fn abort_handle(&self) -> AbortHandle {
        if let Some(task) = self.task {
            task.state().add_reference();
        }
        AbortHandle { task: self.task }
    }

    /// Whether the task is over.
    pub fn is_finished(&self) -> bool {
        self.task.is_none_or(|task| task.state().look_acquire().is_complete())
    }

    /// The task's number in its scheduler. `None` once the output was given out: there is no such
    /// task any more.
    pub fn id(&self) -> Option<TaskId> {
        self.task.map(TaskId::of)
    }

    /// Why the complete task has no output.
    ///
    /// # Safety
    ///
    /// The state said Complete with `end`, which is not Ready, to the handle of this task.
    #[cold]
    unsafe fn error(task: TaskRef, end: End) -> JoinError {
        let payload = match end {
            // SAFETY: the payload is there, and this handle's (I6).
            End::Panicked => Some(unsafe { task.stage().cast::<Payload>().read() }),
            End::Ready | End::Cancelled => None,
        };
        JoinError { payload }
    }

    /// The task, for as long as the handle is not done.
    pub(crate) const fn task(&self) -> Option<TaskRef> {
        self.task
    }
}

impl<T, W: Whereabouts> Future for JoinHandle<T, W> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// Once the output was given out.
    // Always, because it is short but for its calls, and the output is written in parts that who
    // reads it whole would have to wait for.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let task = this.task.expect("a join handle was polled after it gave its task's output");
        let end = match task.state().joinable() {
            Joinable::Complete(end) => end,
            Joinable::Empty | Joinable::Full => match waiting::wait(task, cx) {
                Ok(()) => return Poll::Pending,
                Err(end) => end,
            },
        };
        this.task = None;
        let output = match end {
            // SAFETY: Complete: the output is there, a `T`, and this handle's (I6).
            End::Ready => Ok(unsafe { task.stage().cast::<T>().read() }),
            // SAFETY: Complete with `end`, as this handle was told.
            _ => Err(unsafe { Self::error(task, end) }),
        };
        // SAFETY: the handle's reference; it is done.
        unsafe { run::release_joined(task) };
        Poll::Ready(output)
    }
}

impl<T, W: Whereabouts> Drop for JoinHandle<T, W> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(task) = self.task {
            // SAFETY: the handle goes with it.
            unsafe { waiting::let_go(task) };
        }
    }
}

/// Aborts a task from anywhere, without keeping it from anything else.
pub struct AbortHandle {
    task: Option<TaskRef>,
}

// SAFETY: it reaches the state only.
unsafe impl Sync for AbortHandle {}

impl AbortHandle {
    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        if let Some(task) = self.task {
            waker::abort(task);
        }
    }

    /// Whether the task is over.
    pub fn is_finished(&self) -> bool {
        self.task.is_none_or(|task| task.state().look_acquire().is_complete())
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        if let Some(task) = self.task {
            task.state().add_reference();
        }
        Self { task: self.task }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        if let Some(task) = self.task {
            // SAFETY: the handle's reference, which goes with it.
            unsafe { run::release(task) };
        }
    }
}

impl std::fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AbortHandle").finish_non_exhaustive()
    }
}
