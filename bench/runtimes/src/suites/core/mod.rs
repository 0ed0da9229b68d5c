//! The core of Wakering beside its peers: tasks, wakes, and what tasks exchange.

mod peers;
mod rows;
mod subject;

use super::Suite;

pub static SUITE: Suite = Suite {
    name: "core",
    rows: rows::ROWS,
    subject: subject::CONTENDER,
    peers: &[
        peers::tokio::CONTENDER,
        peers::async_executor::CONTENDER,
        peers::spargio::CONTENDER,
        peers::monoio::CONTENDER,
        peers::glommio::CONTENDER,
        peers::kimojio::CONTENDER,
    ],
    floor: None,
    appendix: None,
};
