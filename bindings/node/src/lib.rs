//! The Node binding: converts, and decides nothing.
//!
//! One `NativePort` for each runtime of each JavaScript thread. Descriptors arrive through memory
//! that both sides see, completions leave through it; what is decided about them is decided in
//! `wakering`.
//!
//! What never lives here: policy, a thread, a knowledge of files.

mod flush;
mod image;
mod options;
mod pages;
mod port;
mod records;
mod report;
mod uv;
mod wake;
