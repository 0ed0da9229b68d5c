//! A loop over an SQ thread that can do without it: two rings over one home.
//!
//! ```text
//!            route: SqThread ─► ring over the SQ thread ─┐
//! enqueue ───┤                                           ├─► turn ─► sink
//!            route: Plain ────► plain ring ──────────────┘
//! ```
//!
//! A ring is made with its SQ thread or without, for good. So there are two, and new ops go to the one
//! that the [`policy`](super::policy) names. Ops in flight stay where they are:
//!
//! - **S1** A slot's op, and a cancel of it, go to the ring that took it.
//! - **S2** A chain goes whole to the ring that it began in, whatever the route has become: no ring
//!   starts a part of one.
//! - **S3** While the other ring may owe something, a turn works both off and sleeps in neither, but
//!   over the descriptors of both and the bell.
//! - **S4** A turn that leaves something behind rings the bell, whichever ring it is in.
//! - **S5** Registered files and buffers have the same place in both rings. A loop with something that
//!   the kernel fills in for one ring only (files opened into its table, groups of buffers to
//!   pick from) has it in the plain one, and goes there with everything for as long.
//! - **S6** Other loops ring the bell and send no messages: those go to one ring, which may not be the
//!   one that is looked at.

#![forbid(unsafe_code)]

use super::clock;
use super::policy::{PASS_OPS, Route, STEPS};
use super::registered::Own;
use super::steward::Note;
use super::{SharedSqpoll, SqpollReport, Steering};
use crate::completion::CancelOutcomes;
use crate::config::{Personality, UringConfig};
use crate::driver::{Counters, UringDriver};
use crate::probe::{Feature, Refused};
use crate::ring::wait_readable;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wakering_core::abi::{ErrorKind, Opcode};
use wakering_core::buffers::BufferGroup;
use wakering_core::driver::{CancelKey, Drained, Sink};
use wakering_core::{Driver, Error, Home, Token};

/// See the module's text.
#[derive(Debug)]
pub struct SwitchingDriver {
    pub(super) sq: UringDriver,
    pub(super) plain: UringDriver,
    home: Arc<Home>,
    pub(super) share: Arc<SharedSqpoll>,
    route: Route,
    /// The other ring may owe completions (S3).
    both: bool,
    /// Of each slot, the ring that took its op (S1).
    taken_by: Box<[Route]>,
    /// What is the plain ring's alone (S5).
    pub(super) own: Own,
    pulse: Pulse,
}

/// What this loop has seen and not noted yet.
#[derive(Debug, Default)]
struct Pulse {
    /// Enqueued since the last turn.
    fresh: u64,
    note: Note,
    /// As the ring counts them, when they were last told.
    wakeups: u64,
    /// The thread was woken then, and nothing has completed since.
    woken: Option<Instant>,
    /// It is time to ask the policy.
    due: bool,
}

impl SwitchingDriver {
    /// Two rings for the ops of `home`. Where the kernel gives no SQ thread, both are plain and nothing
    /// is steered: [`Self::given_up`] says why.
    ///
    /// # Errors
    ///
    /// As [`UringDriver::new`]; with `sqpoll` as option where the configuration has none, and with
    /// `files_chosen_max` where that is not zero.
    pub fn new(
        mut config: UringConfig,
        home: Arc<Home>,
        steering: Steering,
    ) -> Result<Self, Refused> {
        let Some(sqpoll) = &mut config.sqpoll else {
            return Err(Refused::option("sqpoll", "there is no SQ thread to steer".into()));
        };
        if config.files_chosen_max > 0 {
            let why = "the kernel chooses places of one ring, and a steered loop has two";
            return Err(Refused::option("files_chosen_max", why.into()));
        }
        sqpoll.idle_ms = STEPS[0];
        let share = sqpoll.share.get_or_insert_with(SharedSqpoll::new).clone();
        let alone = UringConfig { sqpoll: None, ..config.clone() };
        let sq = UringDriver::new(config, home.clone())?;
        let plain = UringDriver::new(alone, home.clone())?;
        // A message could come to the ring that is not turned: the bell is heard in either.
        home.set_ring_fd(None); // S6
        let route = if sq.has_sq_thread() {
            share.steer(steering);
            Route::SqThread
        } else {
            Route::Plain
        };
        Ok(Self {
            taken_by: vec![route; home.slab.len() as usize].into(),
            sq,
            plain,
            home,
            share,
            route,
            both: false,
            own: Own::default(),
            pulse: Pulse::default(),
        })
    }

    /// How new ops go.
    pub fn route(&self) -> Route {
        self.route
    }

    /// What the SQ thread does.
    pub fn report(&self) -> SqpollReport {
        self.share.report()
    }

    /// The rings that share the SQ thread.
    pub fn share(&self) -> &Arc<SharedSqpoll> {
        &self.share
    }

    /// What both rings have done so far.
    pub fn counters(&self) -> Counters {
        self.sq.counters().plus(&self.plain.counters())
    }

    /// As [`UringDriver::features`].
    pub fn features(&self) -> Vec<Feature> {
        self.sq.features()
    }

    /// As [`UringDriver::given_up`].
    pub fn given_up(&self) -> &[Feature] {
        self.sq.given_up()
    }

    /// Whether an SQ thread takes submissions, while the route leads there.
    pub fn has_sq_thread(&self) -> bool {
        self.sq.has_sq_thread()
    }

    /// Where the rings live.
    pub fn personality(&self) -> Personality {
        self.sq.personality()
    }

    /// As [`UringDriver::skip_look`].
    pub fn skip_look(&mut self) {
        self.active().skip_look();
    }

    /// As [`UringDriver::spare_the_bell`]. Where two rings are worked off, any may have rung it.
    pub fn spare_the_bell(&mut self) {
        if !self.both {
            self.active().spare_the_bell();
        }
    }

    fn active(&mut self) -> &mut UringDriver {
        self.of(self.route)
    }

    fn of(&mut self, route: Route) -> &mut UringDriver {
        match route {
            Route::SqThread => &mut self.sq,
            Route::Plain => &mut self.plain,
        }
    }

    /// Where the next op goes (S2). A ring that has a part of a chain is worked off.
    fn route_of_next(&self) -> Route {
        if self.both && self.other().is_in_chain() { self.route.other() } else { self.route }
    }

    fn other(&self) -> &UringDriver {
        match self.route {
            Route::SqThread => &self.plain,
            Route::Plain => &self.sq,
        }
    }

    pub(super) fn go(&mut self, route: Route) {
        self.both |= route != self.route;
        self.route = route;
    }

    /// Before a turn publishes: notes the first publish of each tick, and follows the route. A loop that
    /// is held on its plain ring has no part in this.
    fn note(&mut self) -> Result<(), Error> {
        let fresh = std::mem::take(&mut self.pulse.fresh);
        if !self.sq.has_sq_thread() || !self.own.is_none() {
            return Ok(());
        }
        if fresh == 0 {
            // Nothing waits for this turn to be published, and no wake is under way.
            if self.pulse.due && self.pulse.woken.is_none() {
                self.ask();
            }
            return Ok(());
        }
        let note = &mut self.pulse.note;
        note.ops += fresh;
        note.crowded += fresh.saturating_sub(PASS_OPS);
        let now_ms = clock::now_ms();
        if now_ms == note.now_ms {
            return Ok(());
        }
        note.now_ms = now_ms;
        let was_due = self.pulse.due;
        let wakeups = self.sq.ring.wakeups;
        if let Some((setting, due)) = self.share.note(*note, wakeups - self.pulse.wakeups) {
            self.pulse.note = Note { now_ms, ..Note::default() };
            self.pulse.wakeups = wakeups;
            self.pulse.due = due;
            self.go(setting.route);
        }
        if was_due && self.pulse.due {
            // No better moment has come. What is published works while the policy is asked; how long
            // its wake takes cannot be told then.
            self.publish()?;
            self.pulse.woken = None;
            self.ask();
        } else if self.route == Route::SqThread {
            self.pulse.woken = Some(Instant::now());
        }
        Ok(())
    }

    fn ask(&mut self) {
        if let Some(setting) = self.share.ask(clock::now_ms()) {
            self.pulse.due = false;
            self.go(setting.route);
        }
    }

    /// After a turn: how long a wake took, where this turn or one before it made one.
    fn noticed(&mut self, done: usize) {
        let Some(woken) = self.pulse.woken else { return };
        if self.sq.ring.wakeups == self.pulse.wakeups {
            self.pulse.woken = None;
        } else if done > 0 {
            self.pulse.note.wake_delay = Some(woken.elapsed());
            self.pulse.woken = None;
        }
    }

    /// Works both rings off, and sleeps over both (S3).
    fn turn_both(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let fds = [self.home.doorbell.as_raw_fd(), self.sq.ring_fd(), self.plain.ring_fd()];
        let mut rang = false;
        loop {
            let mut done = 0;
            for ring in [&mut self.sq, &mut self.plain] {
                done += ring.turn(Some(Duration::ZERO), completions_max - done, sink)?;
                rang |= ring.rang();
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if done > 0 || rang || completions_max == 0 || left == Some(Duration::ZERO) {
                self.leave();
                return Ok(done);
            }
            wait_readable(&fds, left);
            rang = self.home.doorbell.clear();
        }
    }

    /// The other ring owes nothing any more, or is looked at again (S4).
    fn leave(&mut self) {
        if self.sq.has_anything() || self.plain.has_anything() {
            self.home.doorbell.ring();
        }
        let other = self.other();
        self.both = other.in_flight() > 0 || other.has_anything() || other.is_in_chain();
    }
}

impl Driver for SwitchingDriver {
    fn name(&self) -> &'static str {
        "uring"
    }

    fn supports(&self, opcode: Opcode) -> bool {
        self.plain.supports(opcode)
    }

    fn enqueue(&mut self, token: Token) -> Result<(), Error> {
        let route = self.route_of_next();
        self.of(route).enqueue(token)?;
        self.taken_by[token.index() as usize] = route;
        self.pulse.fresh += 1;
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Error> {
        if self.both {
            self.sq.publish()?;
            return self.plain.publish();
        }
        self.active().publish()
    }

    fn turn(
        &mut self,
        timeout: Option<Duration>,
        completions_max: usize,
        sink: Sink<'_>,
    ) -> Result<usize, Error> {
        self.note()?;
        let done = if self.both {
            self.turn_both(timeout, completions_max, sink)?
        } else {
            self.active().turn(timeout, completions_max, sink)?
        };
        self.noticed(done);
        Ok(done)
    }

    fn cancel(&mut self, token: Token) -> Result<(), Error> {
        let route = self.taken_by[token.index() as usize];
        self.of(route).cancel(token)
    }

    fn cancel_where(&mut self, key: CancelKey) -> Result<usize, Error> {
        Ok(self.sq.cancel_where(key)? + self.plain.cancel_where(key)?)
    }

    fn add_buffers(&mut self, group: Arc<BufferGroup>) -> Result<u16, Error> {
        let number = self.plain.add_buffers(group)?;
        self.change_own(|own| own.groups += 1);
        Ok(number)
    }

    fn remove_buffers(&mut self, group: u16) {
        self.plain.remove_buffers(group);
        self.change_own(|own| own.groups = own.groups.saturating_sub(1));
    }

    fn ring(&mut self, other: &Arc<Home>) {
        self.active().ring(other);
    }

    fn drain(&mut self, deadline: Duration, sink: Sink<'_>) -> Drained {
        let start = Instant::now();
        let sq = self.sq.drain(deadline, sink);
        let plain = self.plain.drain(deadline.saturating_sub(start.elapsed()), sink);
        Drained { still_in_flight: sq.still_in_flight + plain.still_in_flight }
    }

    fn poll_fd(&self) -> RawFd {
        let (sq, plain) = (self.sq.poll_fd(), self.plain.poll_fd());
        if self.route == Route::Plain { plain } else { sq }
    }

    fn in_flight(&self) -> usize {
        self.sq.in_flight() + self.plain.in_flight()
    }

    fn enters(&self) -> u64 {
        self.sq.enters() + self.plain.enters()
    }
}

impl SwitchingDriver {
    /// What [`Error`] says when the two tables differ, which S5 excludes.
    pub(super) fn same<P: PartialEq>(places: (P, P)) -> Result<P, Error> {
        if places.0 == places.1 { Ok(places.0) } else { Err(ErrorKind::Busy.into()) }
    }
}

impl Counters {
    /// Those of two rings together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            enters: self.enters + other.enters,
            waits: self.waits + other.waits,
            wakeups: self.wakeups + other.wakeups,
            spins_hit: self.spins_hit + other.spins_hit,
            spins_missed: self.spins_missed + other.spins_missed,
            spun_in_vain_ns: self.spun_in_vain_ns + other.spun_in_vain_ns,
            overflows: self.overflows + other.overflows,
            stale: self.stale + other.stale,
            cancels: CancelOutcomes {
                found: self.cancels.found + other.cancels.found,
                not_found: self.cancels.not_found + other.cancels.not_found,
                running: self.cancels.running + other.cancels.running,
            },
        }
    }
}
