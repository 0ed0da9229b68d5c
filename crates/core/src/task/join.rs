//! The handle of a task: what awaits it, aborts it, or lets it go.

use super::header::TaskRef;
use super::run;
use super::state::{DropJoin, End, Joinable};
use super::vtable::Payload;
use super::waits::{self, WaitsFor, WokenFrom};
use super::{TaskId, here, waker};
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::without_provenance_mut;
use std::task::{Context, Poll, Waker};

static JOIN: WaitsFor = WaitsFor::numbered("join");

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
    /// With the reference that JOIN stands for (I4 of the state).
    task: TaskRef,
    /// The output was given out, and the reference with it.
    done: bool,
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
        f.debug_struct("JoinHandle").field("done", &self.done).finish_non_exhaustive()
    }
}

impl<T> LocalJoinHandle<T> {
    /// The same handle, which may go to another thread if the output may.
    pub fn anywhere(self) -> JoinHandle<T> {
        if !self.done {
            self.task.state().let_join_go();
        }
        let gone = std::mem::ManuallyDrop::new(self);
        JoinHandle { task: gone.task, done: gone.done, output: PhantomData }
    }
}

impl<T, W: Whereabouts> JoinHandle<T, W> {
    /// # Safety
    ///
    /// The task was just spawned, this is the only handle of it, and its output is a `T`. Where it is
    /// to be anywhere, the state knows that.
    #[inline]
    pub(super) const unsafe fn new(task: TaskRef) -> Self {
        Self { task, done: false, output: PhantomData }
    }

    /// Lets the task go on alone. The same as dropping the handle, in words.
    #[inline]
    pub fn detach(self) {}

    /// Asks the task to stop: its future is dropped where it runs, at its next turn, and whoever
    /// awaits the handle gets a cancelled [`JoinError`]. Nothing happens to a task that is over.
    pub fn abort(&self) {
        if !self.done {
            waker::abort(self.task);
        }
    }

    /// A handle that can only abort, for somebody else.
    pub fn abort_handle(&self) -> AbortHandle {
        if self.done {
            return AbortHandle { task: None };
        }
        self.task.state().add_reference();
        AbortHandle { task: Some(self.task) }
    }

    /// Whether the task is over.
    pub fn is_finished(&self) -> bool {
        self.done || self.task.state().look_acquire().is_complete()
    }

    /// The task's number in its scheduler. `None` once the output was given out: there is no such
    /// task any more.
    pub fn id(&self) -> Option<TaskId> {
        (!self.done).then(|| TaskId::of(self.task))
    }

    /// Takes what the complete task left, and gives the reference up.
    ///
    /// # Safety
    ///
    /// The state said Complete with `end` to this handle, which is not done.
    #[inline]
    unsafe fn take(&mut self, end: End) -> Result<T, JoinError> {
        let stage = self.task.stage();
        self.done = true;
        let taken = match end {
            // SAFETY: the output is there, a `T`, and this handle's (I6).
            End::Ready => Ok(unsafe { stage.cast::<T>().read() }),
            // SAFETY: the payload is there, and this handle's (I6).
            End::Panicked => Err(Some(unsafe { stage.cast::<Payload>().read() })),
            End::Cancelled => Err(None),
        };
        // SAFETY: the handle's reference; it is done.
        unsafe { run::release(self.task) };
        taken.map_err(|payload| JoinError { payload })
    }

    /// The task, for as long as the handle is there and not done.
    pub(crate) const fn task(&self) -> TaskRef {
        self.task
    }

    /// Puts whom to wake into the empty place and offers it. How the task ended, where it did so
    /// before.
    fn offer(&mut self, waker: &Waker, at: At) -> Result<(), End> {
        let state = self.task.state();
        if let At::Inside(joiner) = at {
            self.task.header().set_joiner(words(joiner));
            let header = self.task.header();
            let kept = state.look().has_home().then(|| header.inside_exactly());
            return state.offer_joiner(true, kept);
        }
        run::set_joiner(self.task, waker.clone());
        let kept = (at == At::Home).then(|| self.task.header().inside_exactly());
        state.offer_joiner(false, kept).inspect_err(|_| {
            // SAFETY: it was not taken: JOIN_WAKER was never set for it (I5).
            drop(unsafe { run::take_joiner(self.task) });
        })
    }

    /// Whether who is in the full place is whom this would put there.
    fn waits_already(&self, waker: &Waker, at: At) -> bool {
        if self.task.state().look().is_join_inside() {
            return matches!(at, At::Inside(joiner) if self.task.header().joiner() == words(joiner));
        }
        if matches!(at, At::Inside(_)) {
            return false;
        }
        // SAFETY: JOIN_WAKER was set beside no JOIN_INSIDE, so there is a waker; at most it is taken
        // out meanwhile, which leaves its words (I5).
        unsafe { run::peek_joiner(self.task) }.will_wake(waker)
    }

    #[inline]
    fn poll_pending(&mut self, cx: &Context<'_>) -> Result<(), End> {
        let at = At::of(self.task, cx);
        if !self.task.state().look().has_join_waker() {
            self.offer(cx.waker(), at)?;
        } else if !self.waits_already(cx.waker(), at) {
            if self.task.state().withdraw_joiner()? {
                // SAFETY: withdrawn: it is the handle's again (I5).
                drop(unsafe { run::take_joiner(self.task) });
            }
            self.offer(cx.waker(), at)?;
        }
        let number = self.task.number() as usize;
        match at {
            At::Inside(joiner) => {
                waits::note(joiner, &JOIN, number, WokenFrom::Inside);
            }
            _ => waits::note_waiting(cx, &JOIN, number, WokenFrom::Inside),
        }
        Ok(())
    }
}

/// A task of the same scheduler as it lies in the joiner's place: two tasks may have the same place,
/// one after the other.
fn words(joiner: TaskRef) -> [*mut (); 2] {
    let generation = joiner.state().look().generation() as usize;
    [joiner.as_ptr().as_ptr().cast(), without_provenance_mut(generation)]
}

/// Where a join handle is polled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// By this task of the same scheduler, on a thread of that, with its own waker, which is not
    /// cloned for it.
    Inside(TaskRef),
    /// At the task's home.
    Home,
    /// Anywhere.
    Anywhere,
}

impl At {
    #[inline]
    fn of(task: TaskRef, cx: &Context<'_>) -> Self {
        here::with(|here| {
            let Some(here) = here.filter(|here| here.is_of(task.dispatch())) else {
                return Self::Anywhere;
            };
            match here.current.get() {
                // A place outside of the pool may be gone when its number is looked at.
                Some(joiner)
                    if waker::is_of(cx.waker(), joiner) && joiner.state().look().is_pooled() =>
                {
                    Self::Inside(joiner)
                }
                _ if here.is_home() => Self::Home,
                _ => Self::Anywhere,
            }
        })
    }
}

impl<T, W: Whereabouts> Future for JoinHandle<T, W> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// Once the output was given out.
    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(!this.done, "a join handle was polled after it gave its task's output");
        let end = match this.task.state().joinable() {
            Joinable::Complete(end) => end,
            Joinable::Empty | Joinable::Full => match this.poll_pending(cx) {
                Ok(()) => return Poll::Pending,
                Err(end) => end,
            },
        };
        // SAFETY: Complete with `end`, as this handle was told; it is not done.
        Poll::Ready(unsafe { this.take(end) })
    }
}

impl<T, W: Whereabouts> Drop for JoinHandle<T, W> {
    #[inline]
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let task = self.task;
        let unshared = here::with(|here| {
            here.is_some_and(|here| here.is_home() && here.dispatch == task.dispatch())
        }) && task.state().drop_join_at_home(task.header().inside_exactly());
        if unshared {
            return;
        }
        match task.state().drop_join() {
            DropJoin::Nothing => return,
            DropJoin::TakeWaker => {
                // SAFETY: 7 made it this handle's (I5).
                let waker = unsafe { run::take_joiner(task) };
                super::vtable::contain(|| drop(waker));
            }
            // SAFETY: the output is this handle's (I6).
            DropJoin::DropOutput(end) => unsafe { run::drop_output(task, end) },
        }
        // SAFETY: the handle's reference, which goes with it.
        unsafe { run::release(task) };
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
