//! Wakering: a file for each group of rows. A group that is not there yet has no cells, and the table
//! says so.

mod files;
mod net;
mod ops;

use crate::contender::{Contender, Run};

pub const CONTENDER: Contender = Contender { name: "wakering", crates: &["wakering"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = ops::cells();
    cells.extend(net::cells());
    cells.extend(files::cells());
    cells
}
