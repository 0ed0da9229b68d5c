#![expect(clippy::print_stderr, reason = "the seed is printed, so that a failure can be run again")]

use super::*;
use crate::random::Random;
use crate::time::entry::State;
use crate::time::testing::Ledger;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// A wheel beside what it should be: a map by deadline and by the order of starting.
struct Pair {
    random: Random,
    now: u64,
    wheel: Wheel,
    model: BTreeMap<(u64, u64), usize>,
    entries: Vec<(Pin<Box<Entry>>, u64, u64)>,
    started: u64,
    fired: Arc<Mutex<Vec<usize>>>,
}

impl Pair {
    fn new(seed: u64, timers: usize) -> Self {
        let entries = (0..timers).map(|_| (Box::pin(Entry::new()), 0, 0)).collect();
        Self {
            random: Random::new(seed),
            now: 0,
            wheel: Wheel::new(),
            model: BTreeMap::new(),
            entries,
            started: 0,
            fired: Arc::default(),
        }
    }

    /// Near or far by chance, sometimes a deadline that is there already.
    fn deadline(&mut self) -> u64 {
        if self.random.below(8) == 0 {
            let place = self.random.below(self.model.len() as u64 + 1) as usize;
            if let Some((deadline, _)) = self.model.keys().nth(place) {
                return *deadline;
            }
        }
        let far = self.random.below(64);
        self.now.saturating_add(1).saturating_add(self.random.next_u64() >> far)
    }

    fn start(&mut self, name: usize) {
        let deadline = self.deadline();
        self.started += 1;
        let waker = Ledger::named(name, &self.fired).waker();
        let (entry, at, order) = &mut self.entries[name];
        entry.rearm();
        (*at, *order) = (deadline, self.started);
        // SAFETY: Idle and pinned; the wheel is dropped before the entries are.
        unsafe { self.wheel.start(entry, self.now, deadline, waker) };
        self.model.insert((deadline, self.started), name);
    }

    fn toggle(&mut self) {
        let name = self.random.below(self.entries.len() as u64) as usize;
        let (entry, at, order) = &self.entries[name];
        // SAFETY: there is one wheel.
        match unsafe { Linked::of(entry) } {
            None => self.start(name),
            Some(linked) => {
                self.model.remove(&(*at, *order)).expect("the model has it");
                assert!(self.wheel.cancel(linked).is_some());
                assert_eq!(entry.state(), State::Idle);
            }
        }
    }

    fn advance(&mut self) {
        let step = match (self.random.below(3), self.model.keys().next()) {
            (0, Some((deadline, _))) => deadline - self.now,
            (1, _) => self.random.next_u64() >> self.random.below(64),
            _ => self.random.below(1 << 20),
        };
        // Not to the end of time, after which nothing could be due.
        self.now = self.now.saturating_add(step).min(1 << 62);
        let mut expected = Vec::new();
        while let Some(first) = self.model.first_entry().filter(|first| first.key().0 <= self.now) {
            expected.push(first.remove());
        }
        loop {
            let mut wakes = Wakes::new();
            let advance = self.wheel.advance(self.now, &mut wakes);
            assert!(advance == Advance::Done || wakes.is_full());
            wakes.wake_all();
            if advance == Advance::Done {
                break;
            }
        }
        assert_eq!(std::mem::take(&mut *self.fired.lock().unwrap()), expected);
        for name in expected {
            assert_eq!(self.entries[name].0.state(), State::Fired);
        }
    }

    fn check(&self) {
        assert_eq!(self.wheel.len(), self.model.len());
        match (self.wheel.next_deadline(), self.model.keys().next()) {
            (None, None) => {}
            (Some(next), Some((first, _))) => assert!(next <= *first && next > self.now),
            (next, first) => panic!("the wheel says {next:?}, the model {first:?}"),
        }
    }

    /// W1 to W4.
    fn check_invariants(&self) {
        let mut seen = 0;
        for (level, buckets) in self.wheel.buckets.iter().enumerate() {
            for (at, bucket) in buckets.iter().enumerate() {
                let occupied = self.wheel.occupied[level] & 1 << at != 0;
                assert_eq!(occupied, bucket.head.is_some());
                let mut next = bucket.head;
                while let Some(linked) = next {
                    let deadline = linked.node(|node| node.deadline);
                    let place = place(self.wheel.base, deadline);
                    assert_eq!((place.level, place.bucket), (level, at));
                    assert!(deadline >= self.wheel.base && deadline >= bucket.min);
                    seen += 1;
                    next = linked.node(|node| node.next).filter(|&next| Some(next) != bucket.head);
                }
            }
            let has_some = self.wheel.levels & 1 << level != 0;
            assert_eq!(has_some, self.wheel.occupied[level] != 0);
        }
        assert_eq!(seen, self.wheel.len());
    }
}

fn run(seed: u64) {
    let mut pair = Pair::new(seed, 1 + seed as usize % 200);
    for step in 0..2_000 {
        match pair.random.below(8) {
            0 => pair.advance(),
            _ => pair.toggle(),
        }
        pair.check();
        if step % 50 == 0 {
            pair.check_invariants();
        }
    }
}

#[test]
fn does_what_a_sorted_map_does() {
    let seeds = match std::env::var("WAKERING_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("WAKERING_SIM_SEED is a number")],
        Err(_) => (0..100).collect(),
    };
    for seed in seeds {
        eprintln!("seed {seed}");
        run(seed);
    }
}

/// A loop that sleeps until `next_deadline` each time wakes once for each timer: it is exact where
/// nothing was cancelled.
#[test]
fn m11_next_deadline_is_exact_for_timers_near_and_far() {
    for after in (0..63).map(|digit| 1u64 << digit) {
        let mut pair = Pair::new(after, 3);
        pair.now = 12_345_678_901;
        for (name, more) in [(0, 0), (1, after), (2, after / 2)] {
            let waker = Ledger::named(name, &pair.fired).waker();
            let deadline = pair.now + after + more;
            // SAFETY: Idle and pinned; the wheel is dropped before the entries are.
            unsafe { pair.wheel.start(&pair.entries[name].0, pair.now, deadline, waker) };
        }
        let mut moments = Vec::new();
        while let Some(next) = pair.wheel.next_deadline() {
            moments.push(next - pair.now);
            let mut wakes = Wakes::new();
            assert_eq!(pair.wheel.advance(next, &mut wakes), Advance::Done);
            assert!(wakes.len() > 0, "a wakeup for nothing");
            wakes.wake_all();
        }
        let mut expected = vec![after, after + after / 2, 2 * after];
        expected.dedup();
        assert_eq!(moments, expected);
    }
}

/// Where the first of a bucket was cancelled, the loop wakes once for it and then knows better.
#[test]
fn a_cancelled_first_costs_one_wakeup_at_the_most() {
    let mut pair = Pair::new(0, 2);
    for (name, deadline) in [(0, 50_000_000), (1, 50_000_100)] {
        let waker = Ledger::named(name, &pair.fired).waker();
        // SAFETY: Idle and pinned; the wheel is dropped before the entries are.
        unsafe { pair.wheel.start(&pair.entries[name].0, 0, deadline, waker) };
    }
    // SAFETY: there is one wheel.
    let first = unsafe { Linked::of(&pair.entries[0].0) }.expect("it waits");
    drop(pair.wheel.cancel(first));
    assert_eq!(pair.wheel.next_deadline(), Some(50_000_000));
    let mut wakes = Wakes::new();
    assert_eq!(pair.wheel.advance(50_000_000, &mut wakes), Advance::Done);
    assert_eq!((wakes.len(), pair.wheel.next_deadline()), (0, Some(50_000_100)));
}

#[test]
fn is_as_large_as_its_buckets() {
    assert_eq!(size_of::<Bucket>(), 16);
    assert_eq!(size_of_val(&*Wheel::new().buckets), 11 * 64 * 16);
    assert_eq!(size_of::<Entry>(), 48);
}
