//! What was decided, and why.

#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

/// How new ops reach the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// The SQ thread takes them.
    SqThread,
    /// The loop's thread submits them, over a ring of its own.
    Plain,
}

impl Route {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::SqThread => Self::Plain,
            Self::Plain => Self::SqThread,
        }
    }

    /// As it is reported.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SqThread => "sq-thread",
            Self::Plain => "plain",
        }
    }
}

/// What holds for the rings of one SQ thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setting {
    /// How new ops go.
    pub route: Route,
    /// How long the thread looks for work before it sleeps.
    pub idle_ms: u32,
}

/// Why something changed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reason {
    /// Over the recent pauses another idle time is cheaper: milliseconds of CPU a pause, the delay
    /// weighed in.
    Pauses {
        /// With the idle time that held.
        before_ms: f64,
        /// With the one that holds now.
        after_ms: f64,
    },
    /// So small a share of the thread's time is work.
    LowDuty {
        /// Zero to one.
        duty: f64,
    },
    /// Somebody else had the thread's CPU for this share of the time that it wanted it.
    CpuBusy {
        /// Zero to one.
        waited: f64,
    },
    /// So large a share of the thread's time would be work.
    Load {
        /// Zero to one.
        duty: f64,
    },
    /// No keeper ring could be made: this errno.
    NoKeeper {
        /// As the kernel answered.
        errno: i32,
    },
    /// One loop has files or groups of buffers that are its plain ring's alone: it stays there.
    Held {
        /// Places for files that are opened into its table.
        files: usize,
        /// Groups of buffers to pick from.
        groups: usize,
    },
    /// It has none of these any more.
    HeldNoMore,
}

/// One change, as it is reported.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decision {
    /// Since the thread was first steered; time in which nothing was published counts too.
    pub at: Duration,
    /// What holds from here on.
    pub setting: Setting,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pauses { before_ms, after_ms } => {
                write!(f, "a pause costs {after_ms:.1} ms and not {before_ms:.1}")
            }
            Self::LowDuty { duty } => {
                write!(f, "{:.1} % of the SQ thread's time is work", duty * 100.0)
            }
            Self::CpuBusy { waited } => {
                write!(f, "its CPU was somebody else's for {:.0} % of the time", waited * 100.0)
            }
            Self::Load { duty } => {
                write!(f, "{:.1} % of an SQ thread's time would be work", duty * 100.0)
            }
            Self::NoKeeper { errno } => {
                let said = std::io::Error::from_raw_os_error(errno);
                write!(f, "a longer idle time is not to be had: {said}")
            }
            Self::Held { files, groups } => {
                write!(f, "one loop stays there: its plain ring alone has ")?;
                write!(f, "{files} places for files, {groups} groups of buffers")
            }
            Self::HeldNoMore => {
                f.write_str("one loop has nothing of its plain ring alone any more")
            }
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.route {
            Route::SqThread => write!(f, "over the SQ thread, idle {} ms", self.idle_ms),
            Route::Plain => f.write_str("plain submission"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s: {} ({})", self.at.as_secs_f64(), self.setting, self.reason)
    }
}
