//! The kernel's rings used by hand, without tasks and wakers: what is left to reach, and nobody's peer.

mod echo;
mod ring;
mod rows;

use crate::contender::{Contender, Run};

pub use ring::{Kind, Ring};

pub const CONTENDER: Contender = Contender { name: "raw ring", crates: &["io-uring"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::cells();
    cells.extend(super::rows::echo_cells::<echo::Raw>());
    cells
}
