//! A multishot op, set up: what makes it answer once more, and what each answer must be.

use super::case::Kept;
use super::lane::{Answer, Op};
use std::os::fd::OwnedFd;

/// Like a [`super::case::Case`], for an op with many answers.
pub(crate) struct Stream {
    pub(crate) op: Op<'static>,
    feed: Box<dyn Fn()>,
    look: Box<dyn Fn(&Answer)>,
    end: Option<(Box<dyn Fn()>, i32)>,
    ticks: bool,
    kept: Kept,
}

impl Stream {
    /// `feed` has it answer once more, and `look` sees each answer but the last.
    pub(crate) fn new(
        op: Op<'_>,
        feed: impl Fn() + 'static,
        look: impl Fn(&Answer) + 'static,
    ) -> Self {
        let (feed, look) = (Box::new(feed), Box::new(look));
        Self { op: op.keep(), feed, look, end: None, ticks: false, kept: Kept::default() }
    }

    /// What ends it, other than a cancel, and its last result then.
    pub(crate) fn ends(mut self, end: impl Fn() + 'static, result: i32) -> Self {
        self.end = Some((Box::new(end), result));
        self
    }

    /// It answers by itself, again and again.
    pub(crate) fn ticks(mut self) -> Self {
        self.ticks = true;
        self
    }

    /// A descriptor that lives as long as the stream.
    pub(crate) fn keep(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.kept.push(fd.into());
        self
    }

    /// Has it answer once more.
    pub(super) fn feed(&self) {
        (self.feed)();
    }

    /// Whether it answers only when it is fed, once each time.
    pub(super) fn waits(&self) -> bool {
        !self.ticks
    }

    /// Looks at an answer that is not the last.
    pub(super) fn look(&self, answer: &Answer) {
        (self.look)(answer);
    }

    /// Ends it where something can, and says what its last result is.
    pub(super) fn end(&self) -> Option<i32> {
        self.end.as_ref().map(|(end, result)| {
            end();
            *result
        })
    }
}
