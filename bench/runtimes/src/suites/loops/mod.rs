//! The loops of Wakering beside their peers: operations of a ring, files, sockets, messages.

mod client;
mod file;
mod floor;
mod gang;
mod peers;
mod rows;
mod subject;
mod wakes;

use super::Suite;

pub use client::serve_as_client;

pub static SUITE: Suite = Suite {
    name: "loops",
    rows: rows::ROWS,
    subject: subject::CONTENDER,
    peers: &[
        peers::tokio::CONTENDER,
        peers::monoio::CONTENDER,
        peers::compio::CONTENDER,
        peers::glommio::CONTENDER,
        peers::kimojio::CONTENDER,
        peers::tokio_uring::CONTENDER,
        peers::spargio::CONTENDER,
    ],
    floor: Some(floor::CONTENDER),
    appendix: Some(("wake matrix", wakes::print)),
};
