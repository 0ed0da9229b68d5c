//! The core of Wakering: a file for each group of rows. A group that is not there yet has no cells,
//! and the table says so.

mod many;
mod one;
mod sync;
mod timers;

use crate::contender::{Contender, Run};

pub const CONTENDER: Contender =
    Contender { name: "wakering-core", crates: &["wakering-core"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = many::cells();
    cells.extend(one::cells());
    cells.extend(sync::cells());
    cells.extend(timers::cells());
    cells
}
