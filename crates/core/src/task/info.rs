//! Lists of tasks: who is there, what each does, what it waits for.

#![forbid(unsafe_code)]

use super::TaskId;
use super::dispatch::Dispatch;
use super::header::TaskRef;
use super::here;
use super::state::Look;
use super::waits::{self, Note, WaitsFor};

/// What a task was doing when the list was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// In a queue, or being polled.
    Ready,
    /// Pending.
    Waiting {
        /// What for, as the primitive calls it that was polled last; `None` where it did not say.
        reason: Option<&'static WaitsFor>,
        /// Which: a descriptor, a task's number, an address.
        word: usize,
    },
}

/// One line of a list of tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskInfo {
    /// Its number.
    pub id: TaskId,
    /// Its name, if it has one.
    pub name: Option<&'static str>,
    /// The type of its future.
    pub type_name: &'static str,
    /// What it does.
    pub doing: Doing,
    /// Whether it does not keep its scheduler running.
    pub system: bool,
}

impl std::fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {}", self.id)?;
        match self.name {
            Some(name) => write!(f, " '{name}'")?,
            None => write!(f, " ({})", self.type_name)?,
        }
        if self.system {
            f.write_str(" [system]")?;
        }
        match self.doing {
            Doing::Ready => f.write_str(": ready"),
            Doing::Waiting { reason: Some(reason), word } => {
                f.write_str(": waits for ")?;
                reason.write(f, word)
            }
            Doing::Waiting { reason: None, .. } => f.write_str(": waits"),
        }
    }
}

/// Looks at one place. `None` where no task is. What a task does changes while one looks: the answer
/// is what was so at some moment.
pub(crate) fn of(
    task: TaskRef,
    name: impl FnOnce(u32) -> Option<&'static str>,
) -> Option<TaskInfo> {
    let before = task.state().look_acquire();
    let type_name = (task.header().try_vtable()?.type_name)();
    let reason = task.header().reason();
    let note = Note::of(task);
    let look = task.state().look_acquire();
    if before.is_complete() || look.is_complete() || look.generation() != before.generation() {
        return None;
    }
    let doing = match !is_idle(task, look) || look.is_aborted() {
        true => Doing::Ready,
        false => Doing::Waiting { reason: reason.filter(|_| note.is_there()), word: note.word() },
    };
    let name = if look.is_named() { name(task.number()) } else { None };
    Some(TaskInfo { id: TaskId::of(task), name, type_name, doing, system: look.is_system() })
}

/// Every task of a scheduler.
pub(crate) fn list(dispatch: &Dispatch) -> Vec<TaskInfo> {
    let mut infos = Vec::new();
    let mut named = Vec::new();
    dispatch.depot.each(|task| {
        // Names are under the lock that may be held here: they are looked up below.
        if let Some(info) = of(task, |_| None) {
            if task.state().look().is_named() {
                named.push((infos.len(), task.number()));
            }
            infos.push(info);
        }
    });
    for (index, number) in named {
        infos[index].name = dispatch.depot.name(number);
    }
    infos
}

fn is_idle(task: TaskRef, look: Look) -> bool {
    if look.has_home() { waits::is_idle(task) } else { !look.is_scheduled() }
}

/// Whether this task can be run by nobody but other tasks of its scheduler: it is Idle, and every
/// reference to it is in their hands.
pub(crate) fn is_stuck(task: TaskRef) -> bool {
    let look = task.state().look_acquire();
    let note = Note::of(task);
    look.is_complete()
        || (is_idle(task, look)
            && !look.is_entered()
            && !note.is_anywhere()
            && !look.is_join_anywhere()
            && look.wakers() == task.header().inside())
}

/// The task that is polled on this thread.
pub fn current() -> Option<TaskId> {
    here::current().map(TaskId::of)
}

/// Gives the task that is polled here another name. Whether it could: only a task that was spawned
/// with a name has one.
pub fn set_name(name: &'static str) -> bool {
    here::with(|here| {
        let named = here.and_then(|here| Some((here, here.current.get()?)));
        let Some((here, task)) = named.filter(|(_, task)| task.state().look().is_named()) else {
            return false;
        };
        here.dispatch().depot.set_name(task.number(), name);
        true
    })
}
