//! The runtime that Rust programs use and the bindings sit on.
//!
//! It chooses the driver ([`engine`]), and gives each thread that starts ops a [`lane`]: descriptors
//! go in, completion records come out, and everything between is checked, bounded and counted.
//!
//! What never lives here: Node-API, io_uring's own names, policy thresholds (those are
//! `wakering_core::policy`).

pub mod config;
pub mod engine;
pub mod lane;
pub mod metrics;
pub mod worker;

pub use config::{Config, DriverChoice, SqpollConfig};
pub use engine::{Capabilities, FeatureReport};
pub use lane::{Lane, Shutdown};
pub use metrics::{Metrics, Transfers};
