//! From a future to a task: transition 1.

use super::TaskId;
use super::dispatch::Dispatch;
use super::header::TaskRef;
use super::here::{self, Here};
use super::join::{JoinHandle, LocalJoinHandle, Whereabouts};
use super::pool::chunk::{Chunk, class_of};
use super::state::Born;
use super::storage::{Boxed, Claimed};
use super::trace::Step;
use super::vtable::{Outside, Place, Storage, VTable};
use super::waits;
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::scheduler::try_spawn_as_guest;
use std::alloc::Layout;
use std::mem::offset_of;
use std::ptr::NonNull;

/// What a task is to be, apart from its future.
///
/// ```
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task::Spawn;
///
/// let scheduler = LocalScheduler::new().unwrap();
/// let clock = Spawn::new().name("clock").system();
/// let ticking = scheduler.try_spawn_as(clock, std::future::pending::<()>()).unwrap();
/// assert_eq!(scheduler.run(), Ok(0)); // Only a system task is left: nothing to wait for.
/// ticking.detach();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spawn {
    name: Option<&'static str>,
    system: bool,
    home: bool,
    entered: bool,
    /// One more than the number of the worker that it is pinned to.
    worker: u32,
}

impl Spawn {
    /// An ordinary task without a name.
    pub const fn new() -> Self {
        Self { name: None, system: false, home: false, entered: false, worker: 0 }
    }

    /// With a name, for lists of tasks.
    #[must_use]
    pub const fn name(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// For a scheduler of one thread; `entered` from another one.
    pub(crate) const fn at_home(self, entered: bool) -> Self {
        Self { home: true, entered, ..self }
    }

    /// For one worker of a scheduler of several.
    pub(crate) const fn pinned_to(self, worker: u32) -> Self {
        Self { worker: worker + 1, ..self }
    }

    /// Whether the pool counts it, where a thread without a cache spawns it: nothing can fail any more
    /// once it has a place, and it keeps the scheduler going.
    pub(crate) const fn is_counted_in_pool(self) -> bool {
        !self.system && self.name.is_none()
    }

    pub(crate) const fn is_system(self) -> bool {
        self.system
    }

    /// As a task that does not keep its scheduler running: a run ends when only such tasks are left.
    #[must_use]
    pub const fn system(self) -> Self {
        Self { system: true, ..self }
    }
}

/// A task that could not be made, with its future, so that it can be tried again.
pub struct SpawnError<F> {
    error: Error,
    future: F,
}

impl<F> SpawnError<F> {
    pub(crate) const fn new(error: Error, future: F) -> Self {
        Self { error, future }
    }

    /// Why: ENOMEM where the system has no memory, Busy where a bound of the program's is reached or
    /// the storage is in use, Closed where the scheduler takes no more tasks.
    pub fn error(&self) -> Error {
        self.error
    }

    /// The future, which has not been touched.
    pub fn into_future(self) -> F {
        self.future
    }
}

impl<F> std::fmt::Debug for SpawnError<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpawnError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<F> std::fmt::Display for SpawnError<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the task could not be spawned: {}", self.error)
    }
}

impl<F> std::error::Error for SpawnError<F> {}

impl<F> From<SpawnError<F>> for Error {
    fn from(refused: SpawnError<F>) -> Self {
        refused.error
    }
}

/// The storage of tasks in a pool. They are freed by their class, not by their table.
struct Pooled;

impl Storage for Pooled {
    unsafe fn free(_task: TaskRef) {
        unreachable!("a pooled place goes back to its pool")
    }
}

/// A task that holds SCHEDULED (or ENTERED), and its join handle.
type New<F, W> = (TaskRef, JoinHandle<<F as Future>::Output, W>);

/// Makes a task that holds SCHEDULED, for the caller to put into a queue, and its join handle.
///
/// # Safety
///
/// The dispatch is there. The caller sees to it that the future is polled and dropped where it may
/// be, not after it is gone (if it borrows anything), and that the output may be where the handle is.
#[inline]
pub(crate) unsafe fn create<F: Future, W: Whereabouts>(
    here: Option<&Here>,
    dispatch: NonNull<Dispatch>,
    spawn: Spawn,
    future: F,
) -> Result<New<F, W>, SpawnError<F>> {
    let Some(class) = (const { class_of(Layout::new::<Place<F>>()) }) else {
        // SAFETY: the caller's promise.
        return unsafe { create_boxed(dispatch, spawn, future) };
    };
    let place = match here {
        Some(here) => here.with_cache(|cache| cache.take(dispatch, class)),
        None => {
            // SAFETY: the caller's promise.
            unsafe { dispatch.as_ref() }.depot.take(dispatch, class, spawn.is_counted_in_pool())
        }
    };
    let place = match place {
        Ok(place) => place,
        Err(error) => return Err(SpawnError::new(error, future)),
    };
    // SAFETY: derived from a whole chunk, which stays.
    let task = unsafe { TaskRef::new(place) };
    if let Some(name) = spawn.name {
        // SAFETY: the caller's promise.
        let depot = &unsafe { dispatch.as_ref() }.depot;
        if let Err(error) = depot.set_name(Chunk::of(task).number_of(task), name) {
            match here {
                Some(here) => here.with_cache(|cache| cache.put(depot, class, place)),
                None => depot.give_back(class, place),
            }
            return Err(SpawnError::new(error, future));
        }
    }
    let place = place.cast::<Place<F>>().as_ptr();
    // SAFETY: the place is free and ours, and of the class that this type has.
    let stage = unsafe { &raw mut (*place).stage };
    // SAFETY: as above.
    unsafe { stage.cast::<F>().write(future) };
    task.header().prepare(VTable::of::<F, Pooled>());
    // SAFETY: everything but the state is written.
    Ok(unsafe { begin(task, spawn, true) })
}

/// # Safety
///
/// The place is ours and written but for its state, and a `T` is what the future gives.
#[inline]
unsafe fn begin<T, W: Whereabouts>(
    task: TaskRef,
    spawn: Spawn,
    pooled: bool,
) -> (TaskRef, JoinHandle<T, W>) {
    let named = spawn.name.is_some();
    let born = Born {
        pooled,
        system: spawn.system,
        named,
        home: spawn.home,
        pinned: spawn.worker != 0,
        entered: spawn.entered,
        away: !W::AT_HOME,
    };
    if spawn.worker != 0 {
        task.set_worker(spawn.worker - 1);
    }
    if spawn.entered {
        // A free list may have left its link there.
        task.header().link.set_next(std::ptr::null_mut());
        waits::set_idle(task);
    }
    task.state().spawn(born);
    // SAFETY: `spawn` made the handle's reference.
    (task, unsafe { JoinHandle::new(task) })
}

/// # Safety
///
/// As for [`create`].
#[cold]
unsafe fn create_boxed<F: Future, W: Whereabouts>(
    dispatch: NonNull<Dispatch>,
    spawn: Spawn,
    future: F,
) -> Result<New<F, W>, SpawnError<F>> {
    let Some(place) = Boxed::<F>::allocate() else {
        return Err(SpawnError::new(Error::Os(libc::ENOMEM), future));
    };
    // SAFETY: the caller's promise, and the place is new.
    unsafe { create_outside::<F, Boxed<F>, W>(place, dispatch, spawn, || future) }.map_err(
        |(error, make)| {
            // SAFETY: no task was made of it.
            unsafe { Boxed::<F>::give_back(place) };
            SpawnError::new(error, make())
        },
    )
}

/// Makes a task in a place that was claimed. Where that fails, the place is still the caller's, and
/// `make` was not called.
///
/// # Safety
///
/// As for [`create`]; the place is the caller's, of storage `S`, and stays until `S` frees it.
pub(super) unsafe fn create_outside<F: Future, S: Storage, W: Whereabouts>(
    place: NonNull<Outside<F>>,
    dispatch: NonNull<Dispatch>,
    spawn: Spawn,
    make: impl FnOnce() -> F,
) -> Result<New<F, W>, (Error, impl FnOnce() -> F)> {
    let outside = place.as_ptr();
    // SAFETY: in the same place.
    let header = unsafe { place.cast::<u8>().add(offset_of!(Outside<F>, place)) };
    // SAFETY: derived from the whole place.
    let task = unsafe { TaskRef::new(header.cast()) };
    task.header().prepare(VTable::of::<F, S>());
    // SAFETY: the caller's promise.
    let depot = &unsafe { dispatch.as_ref() }.depot;
    let number = match depot.register(task) {
        Ok(number) => number,
        Err(error) => return Err((error, make)),
    };
    // SAFETY: the place has a prefix, which is only ever reached shared.
    unsafe { &(*outside).prefix }.set(dispatch, number);
    // SAFETY: in the same place.
    let stage = unsafe { &raw mut (*outside).place.stage };
    // A refusal, or a panic of `make`, must not leave a number or a name behind.
    let registered = Registered { dispatch, number };
    if let Some(name) = spawn.name
        && let Err(error) = depot.set_name(number, name)
    {
        return Err((error, make));
    }
    let future = make();
    std::mem::forget(registered);
    // SAFETY: the stage is empty and ours.
    unsafe { stage.cast::<F>().write(future) };
    // SAFETY: everything but the state is written.
    Ok(unsafe { begin(task, spawn, false) })
}

struct Registered {
    dispatch: NonNull<Dispatch>,
    number: u32,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: whoever spawns keeps the dispatch.
        let depot = &unsafe { self.dispatch.as_ref() }.depot;
        depot.forget_name(self.number);
        let last = depot.unregister(self.number);
        debug_assert!(!last, "a closed scheduler spawns nothing");
    }
}

/// Puts a new task of this thread's scheduler into its queue.
#[inline]
pub(crate) fn start(here: &Here, task: TaskRef, spawn: Spawn) {
    if !spawn.system {
        here.live.set(here.live.get() + 1);
    }
    here.trace(move || Step::Spawned(TaskId::of(task)));
    here.push(task, here::Place::New);
}

/// Spawns on the scheduler whose task this is called from. The future never leaves this thread: on a
/// scheduler of several threads it stays with this worker, and nobody steals it.
///
/// # Errors
///
/// See [`SpawnError::error`]; Unsupported outside of a scheduler's thread.
pub fn try_spawn_local<F>(
    spawn: Spawn,
    future: F,
) -> Result<LocalJoinHandle<F::Output>, SpawnError<F>>
where
    F: Future + 'static,
    F::Output: 'static,
{
    here::with(|here| match here {
        Some(here) if here.is_closing() => Err(SpawnError::new(ErrorKind::Closed.into(), future)),
        Some(here) => {
            let spawn = match here.worker() {
                None => spawn.at_home(false),
                Some(worker) => spawn.pinned_to(worker),
            };
            // SAFETY: the scheduler of one thread, or this worker, polls and drops it here; nothing is
            // borrowed.
            let (task, join) = unsafe { create(Some(here), here.dispatch, spawn, future) }?;
            start(here, task, spawn);
            Ok(join)
        }
        None => Err(SpawnError::new(ErrorKind::Unsupported.into(), future)),
    })
}

/// Spawns on the scheduler whose task this is called from.
///
/// # Errors
///
/// See [`SpawnError::error`]; Unsupported where the thread neither runs tasks nor a future of a scheduler's
/// (`Scheduler::block_on`).
pub fn try_spawn<F>(spawn: Spawn, future: F) -> Result<JoinHandle<F::Output>, SpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    here::with(|here| match here {
        Some(here) if here.is_closing() => Err(SpawnError::new(ErrorKind::Closed.into(), future)),
        Some(here) => {
            let spawn = if here.is_home() { spawn.at_home(false) } else { spawn };
            // SAFETY: it may be polled and dropped on every thread; nothing is borrowed.
            let (task, join) = unsafe { create(Some(here), here.dispatch, spawn, future) }?;
            start(here, task, spawn);
            Ok(join)
        }
        None => try_spawn_as_guest(spawn, future),
    })
}

/// [`try_spawn`] with nothing special, for those who do not expect it to fail.
///
/// ```
/// use wakering_core::scheduler::{Options, Scheduler};
/// use wakering_core::task;
///
/// let scheduler = Scheduler::start(Options::new().workers(2)).unwrap();
/// let sum = scheduler.block_on(scheduler.spawn(async {
///     let one = task::spawn(async { 1 });
///     let two = task::spawn(async { 2 });
///     one.await.unwrap() + two.await.unwrap()
/// }));
/// assert_eq!(sum.unwrap(), 3);
/// ```
///
/// # Panics
///
/// Where [`try_spawn`] fails.
#[inline]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match try_spawn(Spawn::new(), future) {
        Ok(join) => join,
        Err(refused) => refused_to_panic(refused.error()),
    }
}

/// [`try_spawn_local`] with nothing special, for those who do not expect it to fail.
///
/// ```
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task;
///
/// let scheduler = LocalScheduler::new().unwrap();
/// let sum = scheduler.block_on(async {
///     let one = task::spawn_local(async { 1 });
///     let two = task::spawn_local(async { 2 });
///     one.await.unwrap() + two.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
///
/// # Panics
///
/// Where [`try_spawn_local`] fails.
#[inline]
pub fn spawn_local<F>(future: F) -> LocalJoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match try_spawn_local(Spawn::new(), future) {
        Ok(join) => join,
        Err(refused) => refused_to_panic(refused.error()),
    }
}

#[cold]
pub(crate) fn refused_to_panic(error: Error) -> ! {
    panic!("the task could not be spawned: {error}")
}

/// Spawns into storage that was claimed: see [`super::TaskStorage::claim`].
///
/// # Safety
///
/// As for [`create`].
pub(crate) unsafe fn create_claimed<F: Future + 'static, W: Whereabouts>(
    claimed: Claimed<F>,
    dispatch: NonNull<Dispatch>,
    spawn: Spawn,
    make: impl FnOnce() -> F,
) -> Result<New<F, W>, Error> {
    let place = claimed.place();
    // SAFETY: the caller's promise; the place is claimed, and static.
    let made =
        unsafe { create_outside::<F, super::storage::Static<F>, W>(place, dispatch, spawn, make) };
    match made {
        Ok(made) => {
            claimed.used();
            Ok(made)
        }
        Err((error, _)) => Err(error),
    }
}
