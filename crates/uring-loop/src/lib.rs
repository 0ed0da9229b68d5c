//! The io_uring [`Driver`](wakering_core::Driver): the only crate that names io_uring.
//!
//! ```text
//! enqueue ─► encode ─► ring (SQ) ─► io_uring_enter, or the SQ thread ─► kernel
//!                                                                          │
//! sink ◄─ completion (which slot? stale? our own?) ◄─ ring (CQ) ◄──────────┘
//! ```
//!
//! [`config`] says what is wanted, `setup` makes the best ring that this kernel gives and remembers
//! what it refused, `kernel` finds out what that kernel can do and [`probe`] says so, with the reasons,
//! `encode` is the table of operations, [`buffers`], `groups` and [`files`] are what can be registered
//! with a ring, [`driver`] ties them together, [`outside`] is for threads without one.
//!
//! What never lives here: a task, a policy of which op goes where, a thread of its own.

pub mod buffers;
mod completion;
pub mod config;
pub mod driver;
mod encode;
pub mod files;
mod groups;
mod kernel;
pub mod outside;
pub mod probe;
mod ring;
mod setup;
pub mod sqpoll;

pub use completion::CancelOutcomes;
pub use config::{Personality, UringConfig};
pub use driver::{Counters, UringDriver, homes_kept};
pub use encode::ring_since;
pub use probe::{Feature, Refused, survey};
pub use sqpoll::{Idle, SharedSqpoll, Sqpoll, SqpollReport, Steering, SwitchingDriver};
