//! The owner falls asleep while others push: it sleeps only when nothing is there, and who wakes it
//! is one.

use super::*;
use crate::task::test_task;
use loom::sync::{Arc, Mutex};
use loom::thread;

#[test]
fn loom_nothing_is_left_behind_and_one_rings() {
    loom::model(|| {
        let entry = Arc::new(Entry::new());
        let rings = Arc::new(Mutex::new(0));
        let tasks = [test_task(), test_task()];
        let pushers: Vec<_> = tasks
            .iter()
            .map(|task| {
                let (entry, rings, task) = (entry.clone(), rings.clone(), task.task());
                thread::spawn(move || match entry.push(task) {
                    Pushed::Ring => *rings.lock().unwrap() += 1,
                    Pushed::Quiet => {}
                    Pushed::Closed => unreachable!("it is not closed"),
                })
            })
            .collect();
        let mut taken = entry.take().count();
        let slept = entry.fall_asleep();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let asleep = entry.is_asleep();
        assert_eq!(*rings.lock().unwrap(), u32::from(slept && !asleep));
        entry.wake_up();
        taken += entry.take().count();
        assert_eq!(taken, 2);
        assert!(entry.close());
        assert_eq!(entry.push(tasks[0].task()), Pushed::Closed);
    });
}
