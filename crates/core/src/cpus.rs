//! How many CPUs this process may use.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

/// The CPUs that this process may use, one at least. Asked of the system once, because the answer is
/// put together from several files.
pub fn cpus() -> usize {
    if crate::loom::MODEL {
        return 1; // Nobody spins in a model.
    }
    static CPUS: OnceLock<usize> = OnceLock::new();
    *CPUS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
