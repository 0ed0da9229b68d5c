//! The suites: each a table of its own, with its rows and who takes part.

mod core;
mod loops;

use crate::contender::Contender;
use crate::row::Row;

pub use loops::serve_as_client;

pub struct Suite {
    pub name: &'static str,
    pub rows: &'static [Row],
    pub subject: Contender,
    pub peers: &'static [Contender],
    /// What the kernel alone takes, used by hand: shown, and nobody's peer.
    pub floor: Option<Contender>,
    /// What is printed after the table, if it is wanted by this name.
    pub appendix: Option<(&'static str, fn())>,
}

static SUITES: [&Suite; 2] = [&core::SUITE, &loops::SUITE];

impl Suite {
    pub fn named(name: &str) -> Option<&'static Self> {
        SUITES.into_iter().find(|suite| suite.name == name)
    }

    /// In the order of the table's columns.
    pub fn contenders(&self) -> impl Iterator<Item = &Contender> {
        std::iter::once(&self.subject).chain(self.peers).chain(&self.floor)
    }
}
