//! Every interleaving of those who meet in a task's word. A model task stands around it: a future
//! that only whoever polls may touch, an output, a queue. What loom's cells see is what I1, I5 and I6
//! promise.

use super::state::*;
use crate::loom::{Ordering, UnsafeCell};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// With a join handle that may leave its thread.
const AWAY: Born = Born { away: true, ..HOMELY };

struct Model {
    state: State,
    /// Polls so far; the number of a task's future.
    future: UnsafeCell<u32>,
    output: UnsafeCell<u32>,
    /// What the waker of a test promises before it wakes.
    promise: loom::sync::atomic::AtomicU32,
    seen: UnsafeCell<u32>,
    /// How often the task lies in a queue: never twice.
    queued: Mutex<u32>,
    entered: Mutex<u32>,
    joiner_woken: Mutex<u32>,
    freed: Mutex<u32>,
}

impl Model {
    fn new(born: Born) -> Arc<Self> {
        let state = State::free();
        state.spawn(born);
        Arc::new(Self {
            state,
            future: UnsafeCell::new(0),
            output: UnsafeCell::new(0),
            promise: loom::sync::atomic::AtomicU32::new(0),
            seen: UnsafeCell::new(0),
            queued: Mutex::new(1),
            entered: Mutex::new(0),
            joiner_woken: Mutex::new(0),
            freed: Mutex::new(0),
        })
    }

    fn enqueue(&self) {
        let mut queued = self.queued.lock().unwrap();
        assert_eq!(*queued, 0, "a task lies in one queue");
        *queued = 1;
    }

    fn dequeue(&self) -> bool {
        std::mem::take(&mut *self.queued.lock().unwrap()) == 1
    }

    fn enter(&self) {
        let mut entered = self.entered.lock().unwrap();
        assert_eq!(*entered, 0, "a task lies in the entry once");
        *entered = 1;
    }

    fn free(&self) {
        *self.freed.lock().unwrap() += 1;
    }

    fn release(&self) {
        if self.state.drop_reference() {
            self.free();
        }
    }

    fn wake(&self) {
        if self.state.wake() == Wake::Enqueue {
            self.enqueue();
        }
    }

    /// Polls until the queue is empty. The poll looks at the promise.
    fn run(&self) {
        while self.dequeue() {
            match self.state.start_poll() {
                Start::Cancel => return self.complete(End::Cancelled),
                Start::Poll => {}
            }
            self.poll();
            match self.state.end_poll(false) {
                EndPoll::Idle => {}
                EndPoll::Again => self.enqueue(),
                EndPoll::Cancel => return self.complete(End::Cancelled),
            }
        }
    }

    fn poll(&self) {
        // SAFETY: SCHEDULED is this thread's; loom checks it.
        self.future.with_mut(|polls| unsafe { *polls += 1 });
        let promise = self.promise.load(Ordering::Relaxed);
        // SAFETY: as above.
        self.seen.with_mut(|seen| unsafe { *seen = promise });
    }

    fn complete(&self, end: End) {
        // SAFETY: SCHEDULED is this thread's; loom checks it.
        self.future.with_mut(|polls| unsafe { *polls += 1000 });
        // SAFETY: as above.
        self.output.with_mut(|output| unsafe { *output = 7 });
        let nobody = || Joiner { place: std::ptr::null_mut(), generation: 0 };
        let completed = match self.state.look().has_home() {
            // No model keeps wakers inside, for which a count stands that only the home writes.
            true => self.state.complete_at_home(end, 0, nobody),
            false => self.state.complete(end, nobody),
        };
        match completed {
            Completed::Handed => {}
            Completed::WakeInside(_) => *self.joiner_woken.lock().unwrap() += 1,
            Completed::WakeJoiner | Completed::WakeFellow => {
                *self.joiner_woken.lock().unwrap() += 1;
                self.release();
            }
            Completed::Unobserved => {
                self.drop_output();
                self.release();
            }
            Completed::Alone => {
                self.drop_output();
                self.free();
            }
        }
    }

    fn drop_output(&self) {
        // SAFETY: whoever the state gives it to; loom checks it.
        self.output.with_mut(|output| unsafe {
            assert_eq!(*output, 7);
            *output = 0;
        });
    }

    fn seen(&self) -> u32 {
        // SAFETY: after the threads are joined.
        self.seen.with(|seen| unsafe { *seen })
    }
}

/// T6 and F8: two wakers and a worker; each wake is followed by a poll that sees what was done before
/// it, and no task is queued twice or polled by two.
#[test]
fn loom_f8_no_wake_is_lost() {
    loom::model(|| {
        let task = Model::new(PLAIN);
        task.run();
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let task = task.clone();
                thread::spawn(move || {
                    task.promise.fetch_add(1, Ordering::Relaxed);
                    task.wake();
                    // Whoever queued it may be the one who runs it, as a thief would.
                    task.run();
                })
            })
            .collect();
        for waker in wakers {
            waker.join().unwrap();
        }
        task.run();
        assert_eq!(task.seen(), 2);
    });
}

/// The same at home: the outside enters, the home polls, arrives, and falls idle.
#[test]
fn loom_f8_no_wake_from_outside_is_lost_at_home() {
    loom::model(|| {
        let task = Model::new(HOMELY);
        let outside = task.clone();
        let waker = thread::spawn(move || {
            for _ in 0..2 {
                outside.promise.fetch_add(1, Ordering::Relaxed);
                if outside.state.wake() == Wake::Enqueue {
                    outside.enter();
                }
            }
        });
        let mut idle = false;
        let turn = |idle: &mut bool| {
            if std::mem::take(&mut *task.entered.lock().unwrap()) == 1 {
                match task.state.arrive() {
                    Arrive::Schedule if *idle => *idle = false,
                    Arrive::Free => unreachable!("it is not over"),
                    Arrive::Schedule | Arrive::Nothing => {}
                }
            }
            if !*idle {
                assert_eq!(task.state.start_poll(), Start::Poll);
                task.poll();
                assert_eq!(task.state.end_poll_at_home(false), EndPoll::Idle);
                *idle = true;
            }
        };
        turn(&mut idle);
        turn(&mut idle);
        waker.join().unwrap();
        turn(&mut idle);
        assert_eq!(task.seen(), 2);
    });
}

/// 6 against the join handle that comes to wait, changes its mind, and takes: the output is taken
/// once, and who waits when it comes is woken.
#[test]
fn loom_join_against_completion() {
    join_against_completion(false);
}

/// The same where the joiner is a task of the same scheduler of several threads.
#[test]
fn loom_join_by_a_fellow_against_completion() {
    join_against_completion(true);
}

fn join_against_completion(inside: bool) {
    loom::model(move || {
        let task = Model::new(PLAIN);
        let worker = task.clone();
        let thread = thread::spawn(move || {
            assert!(worker.dequeue());
            assert_eq!(worker.state.start_poll(), Start::Poll);
            worker.complete(End::Ready);
        });
        let mut waits = false;
        if task.state.joinable() == Joinable::Empty && task.state.offer_joiner(inside, None).is_ok()
        {
            waits = true;
            if let Ok(waker_is_there) = task.state.withdraw_joiner() {
                assert_eq!(waker_is_there, !inside);
                waits = task.state.offer_joiner(inside, None).is_ok();
            }
        }
        thread.join().unwrap();
        assert_eq!(*task.joiner_woken.lock().unwrap(), u32::from(waits));
        assert_eq!(task.state.joinable(), Joinable::Complete(End::Ready));
        task.drop_output();
        task.release();
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}

/// 6 against the join handle that goes: the output is dropped once, the place freed once.
#[test]
fn loom_drop_join_against_completion() {
    loom::model(|| {
        let task = Model::new(PLAIN);
        let waits = task.state.offer_joiner(false, None).is_ok();
        assert!(waits);
        let worker = task.clone();
        let thread = thread::spawn(move || {
            assert!(worker.dequeue());
            assert_eq!(worker.state.start_poll(), Start::Poll);
            worker.complete(End::Ready);
        });
        match task.state.drop_join() {
            DropJoin::Nothing => unreachable!("a waker is there"),
            DropJoin::TakeWaker => task.release(),
            DropJoin::DropOutput(end) => {
                assert_eq!(end, End::Ready);
                task.drop_output();
                task.release();
            }
        }
        thread.join().unwrap();
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}

/// An abort against a poll: the task ends cancelled, once.
#[test]
fn loom_abort_against_poll() {
    loom::model(|| {
        let task = Model::new(PLAIN);
        let worker = task.clone();
        let thread = thread::spawn(move || worker.run());
        if task.state.abort() == Wake::Enqueue {
            task.enqueue();
        }
        task.run();
        thread.join().unwrap();
        task.run();
        assert_eq!(task.state.joinable(), Joinable::Complete(End::Cancelled));
        task.drop_output();
        task.release();
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}

/// At home, with a handle on another thread that aborts and lets go, and a wake that is under way: one
/// end, one freeing, wherever the last reference was.
#[test]
fn loom_abort_and_last_reference_from_outside_at_home() {
    loom::model(|| {
        let task = Model::new(AWAY);
        let outside = task.clone();
        let thread = thread::spawn(move || {
            if outside.state.abort() == Wake::Enqueue {
                outside.enter();
            }
            match outside.state.drop_join() {
                DropJoin::Nothing => {}
                DropJoin::TakeWaker => unreachable!("nobody waits"),
                DropJoin::DropOutput(_) => {
                    outside.drop_output();
                    outside.release();
                }
            }
        });
        let mut over = false;
        let mut idle = false;
        let mut turn = || {
            if std::mem::take(&mut *task.entered.lock().unwrap()) == 1 {
                match task.state.arrive() {
                    Arrive::Schedule => idle = false,
                    Arrive::Nothing => {}
                    Arrive::Free => task.free(),
                }
            }
            if !over && !idle {
                let ends = task.state.start_poll() == Start::Cancel
                    || task.state.end_poll_at_home(false) == EndPoll::Cancel;
                if ends {
                    over = true;
                    task.complete(End::Cancelled);
                } else {
                    idle = true;
                }
            }
        };
        turn();
        thread.join().unwrap();
        turn();
        turn();
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}

/// At home, which counts without an exchange as long as it is alone, with a waker that goes to another
/// thread, wakes there and is dropped: the wake arrives, and the place is freed once.
#[test]
fn loom_t8_a_home_that_was_alone_counts_right() {
    loom::model(|| {
        let task = Model::new(HOMELY);
        assert!(task.state.drop_join_at_home(0));
        task.state.add_reference_at_home(0);
        let outside = task.clone();
        let thread = thread::spawn(move || {
            outside.promise.store(1, Ordering::Relaxed);
            if outside.state.wake() == Wake::Enqueue {
                outside.enter();
            }
            outside.release();
        });
        let at_home = |idle: &mut bool| {
            if std::mem::take(&mut *task.entered.lock().unwrap()) == 1 {
                match task.state.arrive() {
                    Arrive::Schedule => *idle = false,
                    Arrive::Nothing => {}
                    Arrive::Free => unreachable!("it is not over"),
                }
            }
            if !std::mem::replace(idle, true) {
                assert_eq!(task.state.start_poll(), Start::Poll);
                task.poll();
                // A waker that comes and goes in the poll.
                task.state.add_reference_at_home(0);
                assert!(!task.state.drop_reference_at_home(0));
                assert_eq!(task.state.end_poll_at_home(false), EndPoll::Idle);
            }
        };
        let mut idle = false;
        at_home(&mut idle);
        thread.join().unwrap();
        at_home(&mut idle);
        assert_eq!(task.seen(), 1);
        assert_eq!(task.state.start_poll(), Start::Poll);
        task.complete(End::Ready);
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}

/// At home, with a join handle that was let go and is dropped on another thread while the task ends.
#[test]
fn loom_t8_a_handle_that_was_let_go_is_not_alone() {
    loom::model(|| {
        let task = Model::new(HOMELY);
        assert_eq!(task.state.offer_joiner(true, Some(0)), Ok(()));
        task.state.let_join_go();
        let outside = task.clone();
        let thread = thread::spawn(move || match outside.state.drop_join() {
            DropJoin::Nothing => {}
            DropJoin::TakeWaker => unreachable!("it lies inside"),
            DropJoin::DropOutput(_) => {
                outside.drop_output();
                outside.release();
            }
        });
        assert_eq!(task.state.start_poll(), Start::Poll);
        task.state.add_reference_at_home(0);
        task.complete(End::Ready);
        thread.join().unwrap();
        if task.state.drop_reference_at_home(0) {
            task.free();
        }
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}

/// References that go on two threads, and the task that ends: freed once, after everybody.
#[test]
fn loom_t8_the_last_reference_frees() {
    loom::model(|| {
        let task = Model::new(PLAIN);
        assert_eq!(task.state.drop_join(), DropJoin::Nothing);
        task.state.add_reference();
        task.state.add_reference();
        let first = task.clone();
        let first = thread::spawn(move || first.release());
        let second = task.clone();
        let second = thread::spawn(move || match second.state.wake_owned() {
            WakeOwned::Enqueue => unreachable!("it is scheduled"),
            WakeOwned::Nothing => {}
            WakeOwned::Free => second.free(),
        });
        assert!(task.dequeue());
        assert_eq!(task.state.start_poll(), Start::Poll);
        task.complete(End::Ready);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(*task.freed.lock().unwrap(), 1);
    });
}
