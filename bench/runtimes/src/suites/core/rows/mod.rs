//! What is measured: the list of rows with their bars, and how each is defined.

mod cross;
mod list;
mod many;
mod one;
mod parked;
mod sync;
mod timers;

pub use cross::{Pair, cells as cross_cells};
pub use list::ROWS;
pub use many::{ManyThreads, cells as many_cells, memory_cell};
pub use one::cells as one_cells;
pub use sync::{
    Acquire, Channel, Notify, Oneshot, channel_cell, mutex_cells, notify_cell, oneshot_cell,
    request_cell, semaphore_cell,
};
pub use timers::{StartTimer, cells as timer_cells};
