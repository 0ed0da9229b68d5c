//! Lists of tasks: who is there, what each does, what it waits for.

#![forbid(unsafe_code)]

use super::TaskId;
use super::dispatch::Dispatch;
use super::header::TaskRef;
use super::here;
use super::slow::Stopwatch;
use super::state::Look;
use super::waits::{self, Note, WaitsFor};
use std::time::Duration;

/// What a task was doing when the list was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// In a queue; or being polled, where nobody asked for slow polls.
    Ready,
    /// Being polled. Known where the scheduler times its polls: see `slow_poll` of its options.
    Running {
        /// By which worker; zero on a scheduler of one thread.
        worker: usize,
        /// For how long by now.
        since: Duration,
    },
    /// Pending.
    Waiting {
        /// What for, as the primitive says that was polled last; `None` where it did not say.
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

impl TaskInfo {
    /// Whether it could be polled now, or is: a task that is not waits to be woken.
    pub const fn is_ready(&self) -> bool {
        !matches!(self.doing, Doing::Waiting { .. })
    }

    /// What people know it by: its name, or the type of its future.
    pub fn label(&self) -> &'static str {
        self.name.unwrap_or(self.type_name)
    }
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Running { worker, since } => {
                write!(f, "running for {} ms on worker {worker}", since.as_millis())
            }
            Self::Waiting { reason: Some(reason), word } => {
                f.write_str("waits for ")?;
                reason.write(f, *word)
            }
            Self::Waiting { reason: None, .. } => f.write_str("waits"),
        }
    }
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
        write!(f, ": {}", self.doing)
    }
}

/// The tasks of a scheduler, as a list; printed, as a table with a line for each.
///
/// ```
/// use wakering_core::scheduler::LocalScheduler;
/// use wakering_core::task::Spawn;
///
/// let scheduler = LocalScheduler::new().unwrap();
/// let clock = Spawn::new().name("clock").system();
/// scheduler.try_spawn_as(clock, async {}).unwrap().detach();
/// let table = scheduler.dump().to_string();
/// assert!(table.ends_with("clock  system  ready"), "{table}");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dump {
    /// In the order of their places.
    pub tasks: Vec<TaskInfo>,
}

impl std::ops::Deref for Dump {
    type Target = [TaskInfo];

    fn deref(&self) -> &[TaskInfo] {
        &self.tasks
    }
}

impl std::fmt::Display for Dump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |of: fn(&TaskInfo) -> usize, least| self.iter().map(of).fold(least, usize::max);
        let ids = width(|task| task.id.to_string().len(), "task".len());
        let labels = width(|task| task.label().len(), "name".len());
        write!(f, "{:ids$}  {:labels$}  {:6}  state", "task", "name", "")?;
        self.iter().try_for_each(|task| {
            let (id, system) = (task.id.to_string(), if task.system { "system" } else { "" });
            write!(f, "\n{id:ids$}  {:labels$}  {system:6}  {}", task.label(), task.doing)
        })
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

/// Every task of a scheduler, and where its workers' stopwatches say who runs.
pub(crate) fn list<'a>(
    dispatch: &Dispatch,
    stopwatches: impl IntoIterator<Item = &'a Stopwatch>,
) -> Dump {
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
    for running in stopwatches.into_iter().filter_map(Stopwatch::running) {
        if let Some(info) = infos.iter_mut().find(|info| info.id == running.task) {
            info.doing = Doing::Running { worker: running.worker, since: running.since };
        }
    }
    Dump { tasks: infos }
}

fn is_idle(task: TaskRef, look: Look) -> bool {
    if look.has_home() { waits::is_idle(task) } else { !look.is_scheduled() }
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
        here.dispatch().depot.set_name(task.number(), name).is_ok()
    })
}
