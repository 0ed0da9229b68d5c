//! Timers of one loop: a heap of fixed size in which each op knows its place.
//!
//! One entry for each slot at the most, so it never grows and a cancelled timer leaves at once.

#![forbid(unsafe_code)]

use wakering_core::Token;

const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Timer {
    due_ns: u64,
    token: Token,
}

/// The heap: the earliest first.
#[derive(Debug)]
pub struct Timers {
    heap: Vec<Timer>,
    /// Where in the heap the timer of a slot is.
    places: Box<[u32]>,
}

impl Timers {
    /// Room for a timer in each of `slots`.
    pub fn new(slots: usize) -> Self {
        Self { heap: Vec::with_capacity(slots), places: vec![NOWHERE; slots].into_boxed_slice() }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When the earliest is due.
    pub fn next_due(&self) -> Option<u64> {
        self.heap.first().map(|timer| timer.due_ns)
    }

    /// Adds the timer of a slot that has none.
    pub fn insert(&mut self, due_ns: u64, token: Token) {
        self.remove(token);
        self.heap.push(Timer { due_ns, token });
        let last = self.heap.len() - 1;
        self.note(last);
        self.rise(last);
    }

    /// Takes out the timer of a slot. Whether there was one.
    pub fn remove(&mut self, token: Token) -> bool {
        let place = self.places[token.index() as usize];
        if place == NOWHERE {
            return false;
        }
        self.take_at(place as usize);
        true
    }

    /// Takes out the earliest timer if it is due.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Token> {
        let first = *self.heap.first()?;
        if first.due_ns > now_ns {
            return None;
        }
        self.take_at(0);
        Some(first.token)
    }

    fn take_at(&mut self, place: usize) {
        let gone = self.heap.swap_remove(place);
        self.places[gone.token.index() as usize] = NOWHERE;
        if place < self.heap.len() {
            self.note(place);
            self.sink(place);
            self.rise(place);
        }
    }

    fn note(&mut self, place: usize) {
        self.places[self.heap[place].token.index() as usize] = place as u32;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].due_ns <= self.heap[place].due_ns {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].due_ns) else { return };
            if self.heap[place].due_ns <= self.heap[least].due_ns {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wakering_core::random::Random;

    #[test]
    fn gives_timers_in_the_order_of_their_time_whatever_is_removed() {
        let mut random = Random::new(3);
        for _ in 0..200 {
            let mut timers = Timers::new(64);
            let mut expected = Vec::new();
            for index in 0..64 {
                let due = random.below(50);
                timers.insert(due, Token::new(index, 1));
                expected.push((due, index));
            }
            for _ in 0..20 {
                let gone = expected.swap_remove(random.below(expected.len() as u64) as usize);
                assert!(timers.remove(Token::new(gone.1, 1)));
                assert!(!timers.remove(Token::new(gone.1, 1)));
            }
            let mut dues: Vec<_> = expected.iter().map(|timer| timer.0).collect();
            dues.sort_unstable();
            assert_eq!(timers.next_due(), dues.first().copied());
            let mut seen = Vec::new();
            for now in 0..50 {
                while let Some(token) = timers.take_due(now) {
                    assert!(expected.contains(&(now, token.index())));
                    seen.push(now);
                }
            }
            assert_eq!(seen, dues);
            assert!(timers.is_empty());
        }
    }
}
