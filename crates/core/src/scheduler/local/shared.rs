//! What other threads have of a scheduler of one thread.

use super::super::cpu_pool::CpuPoolConfig;
use super::super::entry::{Entry, Pushed};
use super::super::op::wake_loop;
use super::super::parker::{Parker, Unparked};
use super::super::{Blocking, Loops};
use crate::home::Home;
use crate::loom::{AtomicU64, Ordering};
use crate::task::dispatch::{Closing, Dispatch, Status};
use crate::task::pool::Depot;
use crate::task::run;
use crate::task::spawn::{create, refused_to_panic};
use crate::task::{JoinHandle, Spawn, SpawnError, TaskRef};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the thread waits.
#[derive(Debug)]
struct Seat {
    /// Of the loop; without one the thread parks.
    bell: Option<Arc<Home>>,
    parker: Parker,
}

impl Seat {
    fn wake(&self) {
        match &self.bell {
            Some(home) => wake_loop(home),
            None => match self.parker.unpark() {
                Unparked::Awake | Unparked::Woken => {}
                Unparked::Ring => unreachable!("it waits in a loop only where there is a bell"),
            },
        }
    }
}

/// What other threads have of the scheduler.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shared {
    pub(super) dispatch: Dispatch,
    pub(super) entry: Entry,
    seat: Arc<Seat>,
    spawned_outside: AtomicU64,
}

impl Shared {
    /// For a thread whose loop has that bell.
    pub(super) fn new(bytes_max: usize, pool: CpuPoolConfig, bell: Option<Arc<Home>>) -> Arc<Self> {
        Arc::new(Self {
            dispatch: Dispatch {
                depot: Depot::new(bytes_max),
                schedule: schedule_from_outside,
                release,
                status: Status::new(),
                closing: Closing::new(),
                blocking: Blocking::new(pool),
                loops: Loops::default(),
            },
            entry: Entry::new(),
            seat: Arc::new(Seat { bell, parker: Parker::new() }),
            spawned_outside: AtomicU64::new(0),
        })
    }

    /// Tasks that others have spawned and that keep a run going, those that are over included.
    pub(super) fn spawned_outside(&self) -> i64 {
        // Relaxed: a spawn of another thread that comes at the end comes before or after it.
        self.spawned_outside.load(Ordering::Relaxed).cast_signed()
    }

    /// What wakes the thread where it waits. It keeps nothing of the scheduler.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + use<> {
        let seat = self.seat.clone();
        move || seat.wake()
    }

    /// Has the thread look at what another one has changed, if it sleeps.
    pub(super) fn rouse(&self) {
        if self.entry.rouse() {
            self.seat.wake();
        }
    }

    /// Sleeps until the thread is woken, or `left` is over. For a thread without a loop.
    pub(super) fn park(&self, left: Option<Duration>) {
        let deadline = left.and_then(|left| Instant::now().checked_add(left));
        let _ = self.seat.parker.park(deadline);
    }

    pub(super) fn remote(self: &Arc<Self>) -> Remote {
        Remote { shared: self.clone() }
    }

    /// With the whole of `Shared` behind it, for [`Self::of`] and `release`.
    pub(super) fn dispatch(self: &Arc<Self>) -> NonNull<Dispatch> {
        // SAFETY: an `Arc`'s pointer is not null.
        unsafe { NonNull::new_unchecked(Arc::as_ptr(self).cast_mut().cast()) }
    }

    /// # Safety
    ///
    /// From [`Self::dispatch`], and there.
    unsafe fn of<'a>(dispatch: NonNull<Dispatch>) -> &'a Self {
        // SAFETY: the dispatch is the first field of the whole that the pointer is derived from.
        unsafe { dispatch.cast::<Self>().as_ref() }
    }

    fn push(&self, task: TaskRef) -> bool {
        match self.entry.push(task) {
            Pushed::Quiet => true,
            Pushed::Closed => false,
            Pushed::Ring => {
                self.seat.wake();
                true
            }
        }
    }
}

/// See [`Dispatch::schedule`].
unsafe fn schedule_from_outside(dispatch: NonNull<Dispatch>, task: TaskRef) {
    // SAFETY: the task holds ENTERED, and so keeps its scheduler's part.
    let shared = unsafe { Shared::of(dispatch) };
    if !shared.push(task) {
        // SAFETY: the entry's reference; nothing is done with the task afterwards.
        unsafe { run::release(task) };
    }
}

/// See [`Dispatch::release`].
unsafe fn release(dispatch: NonNull<Dispatch>) {
    // SAFETY: the scheduler's drop left one count for this call.
    drop(unsafe { Arc::from_raw(dispatch.cast::<Shared>().as_ptr().cast_const()) });
}

/// Spawns on a [`LocalScheduler`](super::LocalScheduler) from other threads. While one is out, the scheduler never takes
/// itself for stalled.
#[derive(Clone, Debug)]
pub struct Remote {
    shared: Arc<Shared>,
}

impl Remote {
    /// Spawns a task.
    ///
    /// # Errors
    ///
    /// See [`SpawnError::error`]; Closed where the scheduler is gone. Where it goes at this very
    /// moment, the future is dropped here, and the handle says that it was cancelled.
    pub fn try_spawn<F>(
        &self,
        spawn: Spawn,
        future: F,
    ) -> Result<JoinHandle<F::Output>, SpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let dispatch = self.shared.dispatch();
        let spawn = spawn.at_home(true);
        // SAFETY: it may go to the scheduler's thread, and its output may come back.
        let (task, join) = unsafe { create(None, dispatch, spawn, future) }?;
        if !spawn.is_system() {
            // Relaxed: it counts; the push publishes.
            self.shared.spawned_outside.fetch_add(1, Ordering::Relaxed);
        }
        if !self.shared.push(task) {
            // SAFETY: nobody else has it, and the future may be dropped here as anywhere.
            unsafe { run::discard(task) };
            // SAFETY: the entry's reference; nothing is done with the task afterwards.
            unsafe { run::release(task) };
        }
        Ok(join)
    }

    /// [`Self::try_spawn`] with nothing special.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.try_spawn(Spawn::new(), future) {
            Ok(join) => join,
            Err(refused) => refused_to_panic(refused.error()),
        }
    }
}
