//! What is known of the op in each slot, without a look at its resource (which may be a thread's).

#![forbid(unsafe_code)]

use std::os::fd::RawFd;
use wakering_core::Token;
use wakering_core::abi::{Opcode, op_flag};
use wakering_core::driver::CancelKey;
use wakering_core::resource::Prepared;
use wakering_core::slot::Outcome;

/// Where an op is (D2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Nowhere,
    /// In line to begin, or linked behind another.
    Queued,
    Pool,
    Readiness,
    Timers,
}

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    generation: u32,
    pub(super) place: Place,
    pub(super) opcode: Opcode,
    pub(super) flags: u8,
    pub(super) fd: RawFd,
    /// How far an op is that takes several attempts.
    pub(super) done: u32,
    /// A smaller result fails what is linked behind it.
    pub(super) expected: u32,
    /// It is among those that shoot.
    pub(super) shooting: bool,
}

impl Flight {
    pub(super) const fn is_multishot(&self) -> bool {
        self.flags & op_flag::MULTISHOT != 0
    }
}

const NOT_FLYING: Flight = Flight {
    generation: 0,
    place: Place::Nowhere,
    opcode: Opcode::Nop,
    flags: 0,
    fd: -1,
    done: 0,
    expected: 0,
    shooting: false,
};

/// One entry for each slot.
#[derive(Debug)]
pub(super) struct Flights(Box<[Flight]>);

impl Flights {
    pub(super) fn new(slots: usize) -> Self {
        Self(vec![NOT_FLYING; slots].into())
    }

    /// An op was enqueued.
    pub(super) fn enter(&mut self, token: Token, prepared: &Prepared) {
        self.0[token.index() as usize] = Flight {
            generation: token.generation(),
            place: Place::Queued,
            opcode: prepared.opcode,
            flags: prepared.flags,
            fd: prepared.fd,
            ..NOT_FLYING
        };
    }

    pub(super) fn get(&self, token: Token) -> Option<&Flight> {
        let flight = &self.0[token.index() as usize];
        (flight.generation == token.generation()).then_some(flight)
    }

    pub(super) fn get_mut(&mut self, token: Token) -> Option<&mut Flight> {
        let flight = &mut self.0[token.index() as usize];
        (flight.generation == token.generation()).then_some(flight)
    }

    pub(super) fn place_of(&self, token: Token) -> Place {
        self.get(token).map_or(Place::Nowhere, |flight| flight.place)
    }

    pub(super) fn set_place(&mut self, token: Token, place: Place) {
        if let Some(flight) = self.get_mut(token) {
            flight.place = place;
        }
    }

    /// Whether this outcome fails what is linked behind the op.
    pub(super) fn has_failed(&self, token: Token, outcome: Outcome) -> bool {
        let expected = self.get(token).map_or(0, |flight| flight.expected);
        u32::try_from(outcome.result).map_or(true, |result| result < expected)
    }

    /// The op in a slot, if it is one that `key` names and it is not over.
    pub(super) fn matching(&self, index: usize, key: CancelKey) -> Option<Token> {
        let flight = self.0.get(index)?;
        let named = match key {
            CancelKey::All => true,
            CancelKey::Opcode(opcode) => flight.opcode == opcode,
            CancelKey::Fd(fd) => flight.fd == fd,
        };
        let there = flight.place != Place::Nowhere;
        (named && there).then(|| Token::new(index as u32, flight.generation))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
