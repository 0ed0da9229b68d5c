//! A ring with its descriptor registered, as the rows by hand need it.

use io_uring::squeue::Entry;
use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter};
use std::os::fd::{AsRawFd, RawFd};

/// How completions come, and who publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// With the next system call of the thread, whatever it is.
    Plain,
    /// When the thread asks for them.
    Defer,
    /// A kernel thread takes what is published.
    Sqpoll,
}

const ENTRIES: u32 = 512;
const COMPLETIONS: u32 = 4_096;
const SQ_THREAD_IDLE_MS: u32 = 200;

pub struct Ring {
    // Parts of `_whole`, which is dropped after them.
    submitter: Submitter<'static>,
    queue: SubmissionQueue<'static>,
    completions: CompletionQueue<'static>,
    _whole: Whole,
    fd: RawFd,
    kind: Kind,
}

/// A ring whose parts are used apart.
struct Whole(*mut IoUring);

impl Drop for Whole {
    #[expect(unsafe_code, reason = "its parts could not live beside a box")]
    fn drop(&mut self) {
        // SAFETY: it came out of a box, and the parts that point into it are gone.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Ring {
    #[expect(unsafe_code, reason = "its parts could not live beside a box")]
    pub fn new(kind: Kind) -> Self {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).setup_single_issuer();
        match kind {
            Kind::Plain => builder.setup_coop_taskrun().setup_taskrun_flag(),
            Kind::Defer => builder.setup_defer_taskrun().setup_taskrun_flag(),
            Kind::Sqpoll => builder.setup_sqpoll(SQ_THREAD_IDLE_MS),
        };
        let ring = builder.build(ENTRIES).expect("a ring");
        let fd = ring.as_raw_fd();
        let whole = Whole(Box::into_raw(Box::new(ring)));
        // SAFETY: the box goes with `whole`, which stays as long as these parts and moves nowhere.
        let (mut submitter, queue, completions) = unsafe { &mut *whole.0 }.split();
        submitter.register_ring_fd().expect("a place for the ring's descriptor");
        Self { submitter, queue, completions, _whole: whole, fd, kind }
    }

    pub fn submitter(&self) -> &Submitter<'static> {
        &self.submitter
    }

    /// For messages of other rings.
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    #[expect(unsafe_code, reason = "an entry names memory by its address")]
    pub fn push(&mut self, entry: &Entry) {
        // SAFETY: whoever makes an entry here gives it memory that stays for ever, or waits for its
        // completion.
        while unsafe { self.queue.push(entry) }.is_err() {
            self.publish();
        }
    }

    /// Publishes, and wakes the kernel thread where it sleeps.
    pub fn publish(&mut self) {
        self.wait_for(0);
    }

    /// Publishes, and waits for so many completions.
    pub fn wait_for(&mut self, completions: usize) {
        self.queue.sync();
        self.submitter.submit_and_wait(completions).expect("it can be entered");
        self.queue.sync();
    }

    /// What is there, without waiting: user data, result and flags of each. How many there were.
    pub fn reap(&mut self, mut each: impl FnMut(u64, i32, u32)) -> usize {
        self.completions.sync();
        let mut count = 0;
        for completion in &mut self.completions {
            each(completion.user_data(), completion.result(), completion.flags());
            count += 1;
        }
        self.completions.sync();
        count
    }

    /// Has completions worked off that wait for the thread to ask.
    #[expect(unsafe_code, reason = "a bare system call")]
    pub fn collect(&mut self) {
        const GETEVENTS: u32 = 1;
        if self.kind != Kind::Sqpoll && self.queue.taskrun() {
            // SAFETY: it publishes nothing and waits for nothing, and has no argument.
            let entered = unsafe { self.submitter.enter::<()>(0, 0, GETEVENTS, None) };
            entered.expect("it can be entered");
        }
    }
}
