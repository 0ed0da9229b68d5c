//! Spawns from threads that are no workers: those who have the scheduler, and its guests, who run a future
//! of their own on it.

use super::super::cpu_pool::{Job, JobOptions};
use super::shared::Shared;
use crate::abi::ErrorKind;
use crate::error::Error;
use crate::loom::thread_local;
use crate::task::spawn::{create, start};
use crate::task::{JoinHandle, Spawn, SpawnError, Step, TaskId, TaskRef, here};
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    static HOST: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// While it lives, what this thread spawns goes to a scheduler whose worker it is not.
pub(super) struct Guest {
    before: Option<Arc<Shared>>,
}

impl Guest {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self { before: HOST.with(|host| host.replace(Some(shared.clone()))) }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = HOST.try_with(|host| host.replace(self.before.take()));
    }
}

/// Spawns on the scheduler whose guest this thread is. Unsupported where it is nobody's.
pub(crate) fn try_spawn_as_guest<F>(
    spawn: Spawn,
    future: F,
) -> Result<JoinHandle<F::Output>, SpawnError<F>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let host = HOST.try_with(|host| host.borrow().clone()).ok().flatten();
    match host {
        Some(shared) => shared.try_spawn(spawn, future),
        None => Err(SpawnError::new(ErrorKind::Unsupported.into(), future)),
    }
}

/// Has the pool of the scheduler whose guest this thread is call `work`. Unsupported where it is nobody's.
pub(crate) fn try_spawn_blocking_as_guest<F, T>(
    options: JobOptions,
    work: F,
) -> Result<Job<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let host = HOST.try_with(|host| host.borrow().clone()).ok().flatten();
    host.ok_or(ErrorKind::Unsupported)?.dispatch.blocking.spawn(options, work)
}

impl Shared {
    pub(super) fn try_spawn<F>(
        self: &Arc<Self>,
        spawn: Spawn,
        future: F,
    ) -> Result<JoinHandle<F::Output>, SpawnError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.is_closing() {
            return Err(SpawnError::new(ErrorKind::Closed.into(), future));
        }
        let dispatch = self.dispatch();
        here::with(|here| {
            let here = here.filter(|here| here.is_of(dispatch));
            // SAFETY: it may be polled and dropped on every thread; nothing is borrowed.
            let (task, join) = unsafe { create(here, dispatch, spawn, future) }?;
            match here {
                Some(here) => start(here, task, spawn),
                None => self.push(task, spawn, &join),
            }
            Ok(join)
        })
    }

    /// Takes a task that was spawned on another thread than the workers'.
    pub(super) fn push<T>(&self, task: TaskRef, spawn: Spawn, join: &JoinHandle<T>) {
        // Most that lie in the pool were counted there.
        let counted = spawn.is_counted_in_pool() && task.state().look().is_pooled();
        if !spawn.is_system() && !counted {
            self.rest.spawned_outside();
        }
        self.trace(|| Step::Spawned(TaskId::of(task)));
        // With a full fence at its end: the scheduler's own look at all tasks, when it closes, sees
        // this one, or this thread sees that it is closing.
        self.send(task);
        if self.is_closing() {
            join.abort();
        }
    }
}
