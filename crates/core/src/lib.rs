//! The heart of Wakering, without a ring and without Node.
//!
//! Here live the op descriptor and every number that two sides must agree on ([`abi`]), the place
//! where an op in flight lives ([`slot`], [`slab`], [`token`]), what it may lend to the kernel
//! ([`resource`]), the way home for completions from other threads ([`inbox`], [`home`]), the
//! table of open files ([`handle`]) and the trait by which a loop is driven ([`driver`]).
//!
//! Beside them stands what async Rust needs and no ring is needed for: tasks ([`task`]), their
//! schedulers ([`scheduler`]), what they wait in line for ([`sync`]), and timers ([`time`]).
//!
//! What never lives here: an io_uring name, a Node-API name, a thread that nobody asked for.

pub mod abi;
pub mod block;
mod cpus;
pub mod driver;
pub mod error;
pub mod handle;
pub mod home;
pub mod inbox;
mod loom;
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
