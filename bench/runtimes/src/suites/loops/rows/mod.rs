//! What is measured: the list of rows with their bars, and how each is defined.

mod cross;
mod drops;
mod echo;
mod files;
mod list;
mod lost;
mod nop;
mod read;

pub use super::file::BLOCK;
pub use cross::{Post, cells as cross_cells};
pub use drops::{Recv, Turn, in_flight_cell, unsubmitted_cell};
pub use echo::{
    Echo, MESSAGE_BYTES, cells as echo_cells, fallback_cells as echo_fallback_cells,
    stealing_cells as echo_stealing_cells,
};
pub use files::{Files, cells as file_cells};
pub use list::ROWS;
pub use lost::cell as lost_cell;
pub use nop::{Nop, TASKS as NOP_TASKS, cells as nop_cells};
pub use read::{DEPTHS, ReadAt, cells as read_cells};
