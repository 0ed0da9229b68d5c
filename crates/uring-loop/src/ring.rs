//! The two queues that are shared with the kernel, and the one system call about them.
//!
//! - **R1** A ring is used by the thread that made it and by no other: SINGLE_ISSUER, DEFER_TASKRUN
//!   and the registered ring descriptor are bound to it. [`Ring`] is not `Send`.
//! - **R2** What a pushed entry names stays valid until its last CQE. Who pushes promises that.
//! - **R3** The ring is closed in this order: registered descriptor, mappings, descriptor. With any
//!   of the first two left the kernel keeps it, and with it the idle time of a shared SQ thread.

use crate::probe::errno_of;
use crate::setup::{Attempt, Flags};
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Submitter, squeue};
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;
use wakering_core::Token;

const REGISTER_RING_FDS: libc::c_uint = 20;
const UNREGISTER_RING_FDS: libc::c_uint = 21;
const REGISTER_FILE_ALLOC_RANGE: libc::c_uint = 25;

/// `struct io_uring_rsrc_update` of the kernel, as REGISTER_RING_FDS takes it.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// One completion as the kernel posted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cqe {
    pub(crate) token: Token,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

/// The submission queue has no room, even after publishing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// See the module's text.
pub(crate) struct Ring {
    uring: IoUring,
    /// The ring's place in this thread's table of registered rings: 57 ns less per call.
    registered: Option<u32>,
    sqpoll: bool,
    wait_flags: EnterFlags,
    /// Entries pushed since the SQ thread was last looked at.
    unseen: u32,
    pub(crate) enters: u64,
    pub(crate) wakeups: u64,
    pub(crate) overflows: u64,
    _bound_to_its_thread: PhantomData<Rc<()>>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.uring.as_raw_fd())
            .field("params", self.uring.params())
            .field("registered", &self.registered)
            .finish_non_exhaustive()
    }
}

/// One call of `io_uring_setup` with its mappings. The errno where it fails.
pub(crate) fn build(attempt: &Attempt) -> Result<IoUring, i32> {
    let mut builder = IoUring::builder();
    builder.setup_cqsize(attempt.completions).setup_clamp();
    type Set = fn(&mut io_uring::Builder) -> &mut io_uring::Builder;
    let sets: [(Flags, Set); 6] = [
        (Flags::SUBMIT_ALL, io_uring::Builder::setup_submit_all),
        (Flags::COOP_TASKRUN, io_uring::Builder::setup_coop_taskrun),
        (Flags::TASKRUN_FLAG, io_uring::Builder::setup_taskrun_flag),
        (Flags::SINGLE_ISSUER, io_uring::Builder::setup_single_issuer),
        (Flags::DEFER_TASKRUN, io_uring::Builder::setup_defer_taskrun),
        (Flags::NO_SQARRAY, io_uring::Builder::setup_no_sqarray),
    ];
    for (flag, set) in sets {
        if attempt.flags.has(flag) {
            set(&mut builder);
        }
    }
    if let Some(sqpoll) = attempt.sqpoll {
        builder.setup_sqpoll(sqpoll.idle_ms);
        match (sqpoll.attach, sqpoll.cpu) {
            // An attached ring's CPU is ignored by the kernel: the thread has its own already.
            (Some(ring), _) => _ = builder.setup_attach_wq(ring),
            (None, Some(cpu)) => _ = builder.setup_sqpoll_cpu(cpu),
            (None, None) => {}
        }
    }
    builder.build(attempt.entries).map_err(|error| errno_of(&error))
}

impl Ring {
    pub(crate) fn new(uring: IoUring) -> Self {
        let params = uring.params();
        let mut wait_flags = EnterFlags::GETEVENTS;
        if params.is_feature_no_iowait() {
            // A lane that sleeps in its ring is idle, it does not wait for a disk.
            wait_flags |= EnterFlags::NO_IOWAIT;
        }
        let sqpoll = params.is_setup_sqpoll();
        let mut ring = Self {
            uring,
            registered: None,
            sqpoll,
            wait_flags,
            unseen: 0,
            enters: 0,
            wakeups: 0,
            overflows: 0,
            _bound_to_its_thread: PhantomData,
        };
        ring.registered = ring.register_self();
        ring
    }

    pub(crate) fn submitter(&self) -> Submitter<'_> {
        self.uring.submitter()
    }

    pub(crate) fn params(&self) -> &io_uring::Parameters {
        self.uring.params()
    }

    pub(crate) fn is_sqpoll(&self) -> bool {
        self.sqpoll
    }

    pub(crate) fn has_registered_self(&self) -> bool {
        self.registered.is_some()
    }

    /// Registers the ring's own descriptor with this thread. `None` where the kernel has no such
    /// thing (before 5.18) or the thread's sixteen places are taken.
    fn register_self(&self) -> Option<u32> {
        let fd = self.uring.as_raw_fd();
        let mut update = RsrcUpdate { offset: u32::MAX, reserved: 0, data: fd as u64 };
        // SAFETY: the kernel reads and writes one `update`, which outlives the call.
        let done = unsafe {
            let update = &raw mut update;
            libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, update, 1)
        };
        (done == 1).then_some(update.offset)
    }

    /// Where in the table of files the kernel chooses places.
    pub(crate) fn register_choice(&self, first: u32, count: u32) -> Result<(), i32> {
        /// `struct io_uring_file_index_range` of the kernel.
        #[repr(C)]
        struct Range {
            first: u32,
            count: u32,
            reserved: u64,
        }
        let range = Range { first, count, reserved: 0 };
        // SAFETY: the kernel reads one `range`, which outlives the call.
        let done = unsafe {
            let (fd, range) = (self.uring.as_raw_fd(), &raw const range);
            libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_FILE_ALLOC_RANGE, range, 0)
        };
        if done == 0 { Ok(()) } else { Err(errno_of(&std::io::Error::last_os_error())) }
    }

    /// Writes an entry into the submission queue. Under an SQ thread the kernel may take it at once.
    ///
    /// # Safety
    ///
    /// R2: everything that `entry` points to stays valid until its last CQE.
    #[inline]
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> Result<(), Full> {
        // SAFETY: passed on.
        unsafe { self.uring.submission().push(entry) }.map_err(|_| Full)?;
        self.unseen += 1;
        Ok(())
    }

    /// As [`Self::push`] for several, which become visible at the same time.
    ///
    /// # Safety
    ///
    /// As there.
    pub(crate) unsafe fn push_together(&mut self, entries: &[squeue::Entry]) -> Result<(), Full> {
        // SAFETY: passed on.
        unsafe { self.uring.submission().push_multiple(entries) }.map_err(|_| Full)?;
        self.unseen += entries.len() as u32;
        Ok(())
    }

    /// Whether an entry can be pushed now.
    pub(crate) fn has_room(&mut self) -> bool {
        self.fits(1)
    }

    /// Whether so many can be, where several belong together: an SQ thread may stop in the middle of
    /// what it finds, except where it begins with it (see `encode::chain`).
    #[inline]
    pub(crate) fn fits(&mut self, count: usize) -> bool {
        let queue = self.uring.submission();
        let room = if self.sqpoll && count > 1 && !queue.is_empty() {
            0
        } else {
            queue.capacity() - queue.len()
        };
        room >= count
    }

    /// Entries that the kernel has not taken.
    #[inline]
    pub(crate) fn unpublished(&mut self) -> usize {
        self.uring.submission().len()
    }

    /// Whether something was pushed since the last publish.
    #[inline]
    pub(crate) fn has_news(&mut self) -> bool {
        if self.sqpoll { self.unseen > 0 } else { self.unpublished() > 0 }
    }

    /// Makes what was pushed visible: one call at the most, none where there is nothing to say.
    pub(crate) fn publish(&mut self) -> Result<(), i32> {
        let queue = self.uring.submission();
        let pending = queue.len() as u32;
        let events = queue.cq_overflow() || queue.taskrun();
        drop(queue);
        let mut flags = if events { EnterFlags::GETEVENTS } else { EnterFlags::empty() };
        if self.sqpoll {
            if self.wants_waking() {
                flags |= EnterFlags::SQ_WAKEUP;
            }
            if flags.is_empty() {
                return Ok(());
            }
        } else if pending == 0 && !events {
            return Ok(());
        }
        self.enter_all(pending, flags)
    }

    pub(crate) fn sq_thread_sleeps(&mut self) -> bool {
        self.uring.submission().need_wakeup()
    }

    /// Whether the SQ thread sleeps although something was pushed.
    fn wants_waking(&mut self) -> bool {
        if self.unseen == 0 {
            return false;
        }
        self.unseen = 0;
        // `need_wakeup` has the fence: our tail is seen by the kernel, or its flag by us. The
        // kernel sets the flag, then looks at the tail once more before it sleeps.
        let asleep = self.sq_thread_sleeps();
        self.wakeups += u64::from(asleep);
        asleep
    }

    /// Publishes until all is taken, or the kernel takes no more.
    fn enter_all(&mut self, mut pending: u32, flags: EnterFlags) -> Result<(), i32> {
        loop {
            match self.enter(pending, 0, flags, None) {
                // A bad entry stops the kernel where SUBMIT_ALL is unknown: go on behind it.
                Ok(taken) if !self.sqpoll && taken > 0 && taken < pending => pending -= taken,
                Ok(_) => break,
                Err(libc::EINTR) => {}
                // No memory for a request, or completions to be reaped first: they stay queued.
                Err(libc::EAGAIN | libc::EBUSY) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        self.unseen = 0;
        Ok(())
    }

    /// Publishes and sleeps until a completion is there, in one call. Returns early for a signal.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<(), i32> {
        let mut flags = self.wait_flags;
        if self.sqpoll && self.wants_waking() {
            flags |= EnterFlags::SQ_WAKEUP;
        }
        let pending = self.unpublished() as u32;
        match self.enter(pending, 1, flags, timeout) {
            Ok(_) | Err(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Sleeps until the SQ thread has taken something.
    pub(crate) fn wait_for_room(&mut self) -> Result<(), i32> {
        let mut flags = EnterFlags::SQ_WAIT;
        if self.sq_thread_sleeps() {
            flags |= EnterFlags::SQ_WAKEUP;
        }
        match self.enter(0, 0, flags, None) {
            Ok(_) | Err(libc::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Lets pending completions come in, without waiting: task work, and what overflowed.
    pub(crate) fn collect(&mut self) -> Result<(), i32> {
        match self.enter(0, 0, EnterFlags::GETEVENTS, None) {
            Ok(_) | Err(libc::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn enter(
        &mut self,
        submit: u32,
        complete_min: u32,
        mut flags: EnterFlags,
        timeout: Option<Duration>,
    ) -> Result<u32, i32> {
        self.enters += 1;
        let (timespec, args);
        let mut argument: *const libc::c_void = std::ptr::null();
        let mut argument_bytes = 0;
        if let Some(timeout) = timeout {
            timespec = Timespec::from(timeout);
            args = SubmitArgs::new().timespec(&timespec);
            flags |= EnterFlags::EXT_ARG;
            argument = (&raw const args).cast();
            argument_bytes = size_of_val(&args);
        }
        let fd = match self.registered {
            Some(index) => {
                flags |= EnterFlags::REGISTERED_RING;
                index as RawFd
            }
            None => self.uring.as_raw_fd(),
        };
        // SAFETY: `args` and the timespec in it outlive the call; the entries that the kernel takes
        // were pushed under R2.
        let taken = unsafe {
            let number = libc::SYS_io_uring_enter;
            let bits = flags.bits();
            libc::syscall(number, fd, submit, complete_min, bits, argument, argument_bytes)
        };
        if taken >= 0 {
            return Ok(taken as u32);
        }
        Err(errno_of(&std::io::Error::last_os_error()))
    }

    /// Whether pending completions can only be had by a call: [`Self::collect`].
    #[inline]
    pub(crate) fn must_collect(&mut self) -> bool {
        let queue = self.uring.submission();
        let overflown = queue.cq_overflow();
        let pending = queue.taskrun();
        drop(queue);
        self.overflows += u64::from(overflown);
        overflown || pending
    }

    /// Whether completions lie in the queue, or would after a call.
    pub(crate) fn has_anything(&self) -> bool {
        // SAFETY: no other view of the queue exists: this method is not called by those that hold
        // one, and R1 leaves nobody else.
        let queue = unsafe { self.uring.submission_shared() };
        queue.cq_overflow() || queue.taskrun() || self.has_completions()
    }

    /// Whether completions lie in the queue.
    pub(crate) fn has_completions(&self) -> bool {
        // SAFETY: as above.
        !unsafe { self.uring.completion_shared() }.is_empty()
    }

    /// Hands completions to `each` until it says that it is enough, or there are no more. Returns
    /// whether there were no more.
    #[inline]
    pub(crate) fn reap(&mut self, mut each: impl FnMut(Cqe) -> bool) -> bool {
        let mut queue = self.uring.completion();
        while let Some(entry) = queue.next() {
            let cqe = Cqe {
                token: Token::from_bits(entry.user_data()),
                result: entry.result(),
                flags: entry.flags(),
            };
            if !each(cqe) {
                return queue.is_empty();
            }
        }
        true
    }

    /// Keeps completions from ringing the registered eventfd.
    pub(crate) fn mute(&mut self) {
        self.uring.completion().disable_eventfd();
    }

    /// Lets completions ring again. What came meanwhile rang nobody: look at the queue once more.
    pub(crate) fn unmute(&mut self) {
        self.uring.completion().enable_eventfd();
        // Either the kernel, which posts first and reads the flag then, sees the flag cleared and
        // rings, or we see what it posted.
        fence(Ordering::SeqCst);
    }

    /// The ring's descriptor.
    pub(crate) fn fd(&self) -> RawFd {
        self.uring.as_raw_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // R3; `IoUring` itself unmaps before it closes.
        if let Some(index) = self.registered {
            let fd = self.uring.as_raw_fd();
            let update = RsrcUpdate { offset: index, reserved: 0, data: 0 };
            // SAFETY: the kernel reads one `update`, which outlives the call.
            unsafe {
                let update = &raw const update;
                libc::syscall(libc::SYS_io_uring_register, fd, UNREGISTER_RING_FDS, update, 1)
            };
        }
    }
}

/// Sleeps until one of `fds` is readable, the time is over, or a signal comes.
pub(crate) fn wait_readable(fds: &[RawFd], timeout: Option<Duration>) {
    let mut polled = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 3];
    for (place, &fd) in polled.iter_mut().zip(fds) {
        place.fd = fd;
    }
    let timespec = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().min(i64::MAX as u64) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timespec = timespec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: both arrays outlive the call; a descriptor of -1 is passed over.
    unsafe {
        libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timespec, std::ptr::null())
    };
}
