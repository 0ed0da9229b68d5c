//! A ring, and threads for what it cannot do: list a directory, or what its kernel is too old for.
//!
//! ```text
//! enqueue ─► the ring has it? ─ yes ─► ring ──────────────────────┐
//!                └─ no ─► publish ─► pool ─► the home's inbox ────┴─► the ring's turn ─► sink
//! ```
//!
//! An op that says ASYNC goes to the pool if a thread can do it: that costs less than a thread of the
//! kernel's, and learns the mount that it came across.
//!
//! An op of the ring whose buffer lies in the memory that is registered with it is told so here, on the
//! loop's own thread: wherever it was asked for, nobody else knows which loop carries it out.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::{OPCODES_MAX, Opcode, op_flag};
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::{CancelKey, Drained, Driver, Sink};
use wakering_core::fixed::FixedBufPool;
use wakering_core::resource::Resource;
use wakering_core::{Error, Home, Token};
use wakering_poll_loop::{BlockingPool, syscalls};
use wakering_uring_loop::{SwitchingDriver, UringDriver};

/// A ring that may hold a buffer by its pages.
pub(super) trait Registers: Driver {
    /// See [`UringDriver::register_buffer`].
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn register(&mut self, address: *mut u8, length: usize) -> Result<u16, Error>;
}

impl Registers for UringDriver {
    unsafe fn register(&mut self, address: *mut u8, length: usize) -> Result<u16, Error> {
        // SAFETY: passed on.
        unsafe { self.register_buffer(address, length) }
    }
}

impl Registers for SwitchingDriver {
    unsafe fn register(&mut self, address: *mut u8, length: usize) -> Result<u16, Error> {
        // SAFETY: passed on.
        unsafe { self.register_buffer(address, length) }
    }
}

/// See the module's text.
pub(super) struct RingAndPool<R> {
    ring: R,
    pool: Arc<BlockingPool>,
    home: Arc<Home>,
    for_pool: Vec<Token>,
    supports: [bool; OPCODES_MAX],
    /// Of each slot, the generation whose op went to the pool.
    pooled: Box<[Option<u32>]>,
    /// Ops handed to the pool, and those of them that came back.
    handed: u64,
    returned: u64,
    /// What is registered with the ring, at which place. Dropped after the ring.
    fixed: Option<(FixedBufPool, u16)>,
}

impl<R: Driver> RingAndPool<R> {
    pub(super) fn new(ring: R, pool: Arc<BlockingPool>, home: Arc<Home>) -> Self {
        let mut supports = [false; OPCODES_MAX];
        for &opcode in Opcode::ALL {
            supports[opcode as usize] = ring.supports(opcode);
        }
        let slots = home.slab.len() as usize;
        let pooled = vec![None; slots].into();
        let for_pool = Vec::with_capacity(slots);
        let (handed, returned, fixed) = (0, 0, None);
        Self { ring, pool, home, for_pool, supports, pooled, handed, returned, fixed }
    }

    fn is_for_pool(&self, token: Token) -> bool {
        let slot = self.home.slab.slot(token);
        // SAFETY: the caller's op is Queued, and this is the loop's thread, its owner (I2 of `slot`).
        let prepared = unsafe { slot.with_resource(|resource| resource.prepared) };
        let asked_for = prepared.flags & op_flag::ASYNC != 0;
        let by_ring = self.supports[prepared.opcode as usize] && !asked_for;
        !by_ring && syscalls::supports(prepared.opcode)
    }

    /// Has the ring find the op's buffer by its place, if it lies in what is registered.
    #[inline]
    fn name_fixed(&self, token: Token) {
        let Some((buffers, place)) = &self.fixed else { return };
        let name = |resource: &mut Resource| {
            if resource.fixed.as_ref().is_some_and(|buffer| buffers.owns(buffer)) {
                resource.prepared.registered = *place;
            }
        };
        // SAFETY: as in `is_for_pool`.
        unsafe { self.home.slab.slot(token).with_resource(name) };
    }

    fn is_pooled(&self, token: Token) -> bool {
        self.pooled[token.index() as usize] == Some(token.generation())
    }

    /// Ops that threads have. Those that were withdrawn are forgotten here.
    fn in_pool(&self) -> u64 {
        let there = self.handed - self.returned;
        if there == 0 {
            return 0;
        }
        self.pool.queued();
        there.saturating_sub(self.pool.withdrawn())
    }

    #[inline]
    fn publish_to_pool(&mut self) -> Result<(), Error> {
        if self.for_pool.is_empty() { Ok(()) } else { self.pool.publish(&mut self.for_pool) }
    }
}

impl<R: Registers> RingAndPool<R> {
    /// Registers the memory of these buffers with the ring. Where it is refused they are memory like all.
    pub(super) fn register(&mut self, buffers: &FixedBufPool) -> Result<(), Error> {
        let (address, length) = buffers.memory();
        // SAFETY: `fixed` keeps it until the ring is closed, the slots of its ops for as long as they
        // are in flight.
        let place = unsafe { self.ring.register(address, length) }?;
        self.fixed = Some((buffers.clone(), place));
        Ok(())
    }
}

impl<R: Driver> Driver for RingAndPool<R> {
    fn name(&self) -> &'static str {
        self.ring.name()
    }

    fn supports(&self, opcode: Opcode) -> bool {
        self.supports[opcode as usize] || syscalls::supports(opcode)
    }

    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        if !self.is_for_pool(token) {
            self.name_fixed(token);
            return self.ring.enqueue(token);
        }
        if self.for_pool.len() == self.for_pool.capacity() {
            self.publish_to_pool()?;
        }
        if self.for_pool.len() == self.for_pool.capacity() {
            return Err(wakering_core::abi::ErrorKind::Busy.into());
        }
        self.pooled[token.index() as usize] = Some(token.generation());
        self.handed += 1;
        self.for_pool.push(token);
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.publish_to_pool()?;
        self.ring.publish()
    }

    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.publish_to_pool()?;
        let Self { ring, pooled, handed, returned, .. } = self;
        if handed == returned {
            return ring.turn(timeout, completions_max, sink);
        }
        ring.turn(timeout, completions_max, &mut |completion| {
            let token = completion.token;
            let by_pool = &mut pooled[token.index() as usize];
            if *by_pool == Some(token.generation()) {
                *by_pool = None;
                *returned += 1;
            }
            sink(completion);
        })
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        if self.is_pooled(token) {
            self.pool.interrupt(token);
            return Ok(());
        }
        self.ring.cancel(token)
    }

    fn cancel_where(&mut self, key: CancelKey) -> Result<usize, Error> {
        self.ring.cancel_where(key)
    }

    fn add_buffers(&mut self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        self.ring.add_buffers(group)
    }

    fn remove_buffers(&mut self, group: u16) {
        self.ring.remove_buffers(group);
    }

    fn ring(&mut self, other: &Arc<Home>) {
        self.ring.ring(other);
    }

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        let until = Instant::now() + deadline;
        // Asked first, and waited for last: neither takes the other's share of the time.
        let _ = self.pool.shutdown(Duration::ZERO);
        let _ = self.ring.drain(deadline, sink);
        let stuck = self.pool.shutdown(until.saturating_duration_since(Instant::now()));
        // What the threads have answered since.
        let drained = self.ring.drain(Duration::ZERO, sink);
        Drained { still_in_flight: drained.still_in_flight + stuck.ops }
    }

    fn poll_fd(&self) -> RawFd {
        self.ring.poll_fd()
    }

    fn in_flight(&self) -> usize {
        self.ring.in_flight() + self.in_pool() as usize
    }

    fn enters(&self) -> u64 {
        self.ring.enters()
    }
}
