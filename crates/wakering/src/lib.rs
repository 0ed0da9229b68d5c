#![doc = include_str!("../README.md")]
//!
//! # Where to look in this crate
//!
//! ```text
//! Rust programs:  Runtime ─► tasks ─► fs, net ─► op ─► a loop of the scheduler ─┐
//!                                                                               ├─► ring, or poll
//! bindings:       Lane ─► descriptors in, records out ──────────────────────────┘
//! ```
//!
//! Rust programs build a [`Runtime`] and await [`fs`], [`net`] and [`time`] in its tasks. A thread that
//! hands over descriptors instead has a [`lane`]; everything between is checked, bounded and counted.
//! [`engine`] chooses the driver.
//!
//! What never lives here: Node-API, io_uring's own names, policy thresholds (those are
//! `wakering_core::policy`).

pub mod buf;
pub mod cancel;
pub mod config;
pub mod engine;
pub mod fs;
pub mod lane;
pub mod metrics;
pub mod net;
mod op;
pub mod runtime;
mod scope;
pub mod worker;

pub use wakering_core::{sync, task, time};

pub use config::{Config, DriverChoice, SqpollConfig};
pub use engine::{Capabilities, FeatureReport};
pub use lane::{Lane, Shutdown};
pub use metrics::{Metrics, Transfers};
pub use runtime::{Builder, LocalRuntime, Runtime};
pub use scope::{Scope, scope};
pub use wakering_uring_loop::{Idle, SqpollReport, Steering};
