//! Random lives of many ops over the sim driver: each gets exactly one outcome, and everything is
//! back where it was at the end. The seed is printed; `WAKERING_SIM_SEED` runs one again.

#![expect(clippy::print_stderr, reason = "the seed is printed, so that a failure can be run again")]

use std::sync::Arc;
use std::time::Duration;
use wakering_core::abi::Opcode;
use wakering_core::driver::sim::{ERRORS, Faults, SimDriver};
use wakering_core::random::Random;
use wakering_core::slab::FreeList;
use wakering_core::slot::{Cancel, Outcome, Publish};
use wakering_core::waker::WakerRef;
use wakering_core::{Completion, Driver, Home, Token};

const SLOTS: u32 = 32;

struct Run {
    home: Arc<Home>,
    driver: SimDriver,
    free: FreeList,
    random: Random,
    live: Vec<Token>,
    outcomes: u64,
    cancelled: u64,
    failed: u64,
    refused: u64,
}

impl Run {
    fn new(seed: u64, faults: Option<Faults>) -> Self {
        let home = Arc::new(Home::new(SLOTS).unwrap());
        let driver = SimDriver::new(home.clone(), seed, 8, 5);
        let driver = match faults {
            Some(faults) => driver.with_faults(faults),
            None => driver,
        };
        let free = FreeList::new(&home.slab);
        let random = Random::new(!seed);
        Self {
            home,
            driver,
            free,
            random,
            live: Vec::new(),
            outcomes: 0,
            cancelled: 0,
            failed: 0,
            refused: 0,
        }
    }

    fn start(&mut self) -> bool {
        let Ok(token) = self.free.claim(&self.home.slab, WakerRef::NOBODY) else { return false };
        // SAFETY: Queued, and this thread owns the loop.
        unsafe {
            self.home.slab.slot(token).with_resource(|r| r.prepared.opcode = Opcode::Nop);
        }
        if self.driver.enqueue(token).is_err() {
            self.driver.publish().unwrap();
            if self.driver.enqueue(token).is_err() {
                // Refused: still Queued, and the caller's to withdraw.
                assert_eq!(self.home.slab.slot(token).request_cancel(token), Cancel::Withdrawn);
                assert!(self.home.slab.slot(token).take(token, |_, _| ()).is_some());
                self.free.give_back(token.index());
                self.refused += 1;
                return false;
            }
        }
        self.live.push(token);
        true
    }

    fn cancel_one(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let place = self.random.below(self.live.len() as u64) as usize;
        let token = self.live[place];
        match self.home.slab.slot(token).request_cancel(token) {
            Cancel::Ask => self.driver.cancel(token).unwrap(),
            Cancel::Withdrawn => self.settle(token),
            Cancel::AskedBefore => {}
            Cancel::TooLate | Cancel::Stale => panic!("live ops are in flight"),
        }
    }

    fn settle(&mut self, token: Token) {
        let result = self.home.slab.slot(token).take(token, |taken, _| taken.outcome.result);
        match result.expect("a completion is taken once") {
            0 => self.outcomes += 1,
            result if result == -libc::ECANCELED => self.cancelled += 1,
            result => {
                assert!(ERRORS.contains(&-result), "{result}");
                self.failed += 1;
            }
        }
        let place = self.live.iter().position(|&live| live == token).expect("it was live");
        self.live.swap_remove(place);
        self.free.give_back(token.index());
    }

    fn turn(&mut self) {
        let mut done = Vec::new();
        let most = 1 + self.random.below(6) as usize;
        self.driver.turn(Some(Duration::ZERO), most, &mut |c: Completion| done.push(c)).unwrap();
        for completion in done {
            self.settle(completion.token);
        }
    }
}

fn run(seed: u64, faults: Option<Faults>) -> Run {
    let mut run = Run::new(seed, faults);
    let mut started = 0;
    for _ in 0..2_000 {
        match run.random.below(4) {
            0 | 1 => started += u64::from(run.start()),
            2 => run.cancel_one(),
            _ => run.turn(),
        }
    }
    let mut done = Vec::new();
    let left = run.driver.drain(Duration::from_secs(1), &mut |c| done.push(c));
    assert_eq!(left.still_in_flight, 0);
    for completion in done {
        run.settle(completion.token);
    }
    assert_eq!(run.outcomes + run.cancelled + run.failed, started);
    assert_eq!(run.free.available(), SLOTS as usize);
    assert_eq!(run.home.slab.in_use().count(), 0);
    run
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("WAKERING_SIM_SEED") {
        Ok(seed) => vec![seed.parse().expect("WAKERING_SIM_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

#[test]
fn every_op_gets_exactly_one_outcome() {
    for seed in seeds(200) {
        eprintln!("seed {seed}");
        run(seed, None);
    }
}

#[test]
fn every_op_gets_exactly_one_outcome_whatever_goes_wrong() {
    let mut total = [0; 4];
    for seed in seeds(1_000) {
        eprintln!("seed {seed}");
        let run = run(seed, Some(faults_of(seed)));
        let counts = [run.outcomes, run.cancelled, run.failed, run.refused];
        total = std::array::from_fn(|index| total[index] + counts[index]);
    }
    assert!(total.iter().all(|&count| count > 0), "each fault has struck: {total:?}");
}

/// Now this is frequent, now that.
fn faults_of(seed: u64) -> Faults {
    let mut random = Random::new(seed ^ 0xFA17);
    let mut often = || [0, 8, 64, 200][random.below(4) as usize];
    Faults { failed: often(), delayed: often(), refused: often(), unheard: often() }
}

#[test]
fn deliveries_of_other_threads_come_through_turn() {
    let home = Arc::new(Home::new(4).unwrap());
    let mut driver = SimDriver::new(home.clone(), 1, 4, 1);
    let mut free = FreeList::new(&home.slab);
    let token = free.claim(&home.slab, WakerRef::NOBODY).unwrap();
    let carrier = home.clone();
    std::thread::spawn(move || {
        assert_eq!(carrier.slab.slot(token).publish(token), Publish::Go);
        carrier.deliver(token, Outcome { result: 42, flags: 0 });
    })
    .join()
    .unwrap();
    let mut seen = Vec::new();
    driver.turn(Some(Duration::ZERO), 8, &mut |c| seen.push(c)).unwrap();
    assert_eq!(seen, [Completion { token, outcome: Outcome { result: 42, flags: 0 } }]);
}
