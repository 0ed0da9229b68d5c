#![doc = include_str!("../README.md")]
//!
//! # Where to look in this crate
//!
//! The op descriptor and every number that two sides must agree on are in [`abi`]; the place where an op
//! in flight lives in [`slot`], [`slab`] and [`token`], what it may lend to the kernel in [`resource`]; the
//! way home for completions from other threads in [`inbox`] and [`home`]; the table of open files in
//! [`handle`].
//!
//! What never lives here: an io_uring name, a Node-API name, a thread that nobody asked for.

pub mod abi;
pub mod block;
pub mod buffers;
mod cpus;
pub mod descriptor;
pub mod driver;
pub mod error;
pub mod fixed;
pub mod handle;
pub mod home;
pub mod inbox;
mod loom;
mod pages;
pub mod park;
pub mod policy;
pub mod random;
pub mod resource;
pub mod scheduler;
pub mod slab;
pub mod slot;
pub mod spin;
pub mod sync;
pub mod task;
pub mod time;
pub mod token;
pub mod waker;

pub use cpus::cpus;
pub use driver::{Completion, Driver};
pub use error::Error;
pub use home::Home;
pub use token::Token;
