//! What can be seen of a scheduler of one thread: slow polls, and the list of its tasks.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;
use wakering_core::scheduler::{LocalOptions, LocalScheduler, RunError};
use wakering_core::sync::{local, oneshot};
use wakering_core::task::{Doing, SlowPoll, Spawn, TaskInfo, yield_now};
use wakering_core::time::{VirtualClock, sleep};

const LIMIT: Duration = Duration::from_millis(10);

thread_local! {
    static SLOW: RefCell<Vec<SlowPoll>> = const { RefCell::new(Vec::new()) };
}

fn record(slow: SlowPoll) {
    SLOW.with_borrow_mut(|all| all.push(slow));
}

#[test]
fn m9_a_poll_that_takes_as_long_as_the_limit_is_reported_with_its_task() {
    let clock = VirtualClock::new();
    let options = LocalOptions::new().clock(clock.clock()).slow_poll(LIMIT, record);
    let scheduler = options.build().unwrap();
    let ticks = clock.clone();
    let slow = async move {
        for millis in [9, 10, 3, 25] {
            ticks.advance(Duration::from_millis(millis));
            yield_now().await;
        }
    };
    let task = scheduler.try_spawn_as(Spawn::new().name("slow"), slow).unwrap();
    let id = task.id().unwrap();
    scheduler.run().unwrap();
    let reported = SLOW.take();
    let took: Vec<_> = reported.iter().map(|slow| slow.took.as_millis()).collect();
    assert_eq!(took, [10, 25]);
    assert!(reported.iter().all(|slow| (slow.task, slow.name) == (id, Some("slow"))));
    assert!(reported[0].type_name.contains("m9_a_poll"), "{}", reported[0].type_name);
    assert_eq!(scheduler.slow_polls(), 2);
    let said = reported[1].to_string();
    assert_eq!(said, format!("task {id} (slow) kept worker 0 for 25ms in one poll"));
}

#[test]
fn m9_the_last_poll_of_a_task_counts_too_and_a_panic_of_the_report_ends_nothing() {
    let clock = VirtualClock::new();
    let options = LocalOptions::new().clock(clock.clock());
    let scheduler = options.slow_poll(LIMIT, |_| panic!("on purpose")).build().unwrap();
    let panics = clock.clone();
    let panics = scheduler.spawn(async move {
        panics.advance(LIMIT);
        panic!("on purpose");
    });
    let ready = scheduler.spawn(async move { clock.advance(LIMIT) });
    assert!(scheduler.block_on(panics).unwrap_err().is_panic());
    scheduler.block_on(ready).unwrap();
    assert_eq!(scheduler.slow_polls(), 2);
}

#[test]
fn m9_nobody_is_timed_where_nobody_asked() {
    let clock = VirtualClock::new();
    let scheduler = LocalOptions::new().clock(clock.clock()).build().unwrap();
    scheduler.block_on(async { clock.advance(Duration::from_secs(3600)) });
    assert_eq!(scheduler.slow_polls(), 0);
    assert!(SLOW.take().is_empty());
}

fn task<'a>(list: &'a [TaskInfo], name: &str) -> &'a TaskInfo {
    list.iter().find(|task| task.name == Some(name)).unwrap()
}

/// Spawns under a name and lets go.
fn spawn(scheduler: &LocalScheduler, spawn: Spawn, future: impl Future<Output = ()> + 'static) {
    scheduler.try_spawn_as(spawn, future).unwrap().detach();
}

#[test]
fn l7_a_blocked_task_is_listed_with_what_it_waits_for() {
    let clock = VirtualClock::new();
    let scheduler = LocalOptions::new().clock(clock.clock()).build().unwrap();
    let lock = Rc::new(local::Mutex::new(0));
    let held = lock.try_lock().unwrap();
    let waits = lock.clone();
    spawn(&scheduler, Spawn::new().name("locks"), async move { *waits.lock().await += 1 });
    let (sender, receiver) = local::channel::<u8>(1);
    spawn(&scheduler, Spawn::new().name("receives"), async move {
        let _ = receiver.recv().await;
    });
    let (one, shot) = oneshot::channel::<u8>();
    spawn(&scheduler, Spawn::new().name("answered").system(), async move {
        let _ = shot.await;
    });
    spawn(&scheduler, Spawn::new().name("sleeps"), async {
        let _ = sleep(LIMIT).await;
    });
    spawn(&scheduler, Spawn::new().name("silent"), pending());
    scheduler.block_on(yield_now());
    spawn(&scheduler, Spawn::new().name("new"), async {});
    let list = scheduler.dump();
    let waits = |name| {
        let said = task(&list, name).doing.to_string();
        said.split(" 0x").next().unwrap().to_owned()
    };
    assert_eq!(waits("locks"), "waits for mutex");
    assert_eq!(waits("receives"), "waits for channel (recv)");
    assert_eq!(waits("answered"), "waits for oneshot");
    assert_eq!(task(&list, "sleeps").doing.to_string(), "waits for sleep");
    assert_eq!(task(&list, "silent").doing, Doing::Waiting { reason: None, word: 0 });
    let ready: Vec<_> = list.iter().filter(|task| task.is_ready()).map(|task| task.name).collect();
    assert_eq!(ready, [Some("new")]);
    let system: Vec<_> = list.iter().filter(|task| task.system).map(|task| task.name).collect();
    assert_eq!(system, [Some("answered")]);
    drop((held, sender, one));
}

#[test]
fn l7_a_reason_goes_when_its_wait_is_over() {
    let scheduler = LocalScheduler::new().unwrap();
    let (sender, receiver) = local::channel::<u8>(1);
    spawn(&scheduler, Spawn::new().name("waits"), async move {
        let _ = receiver.recv().await;
        pending::<()>().await;
    });
    scheduler.block_on(yield_now());
    assert!(task(&scheduler.dump(), "waits").doing.to_string().contains("channel"));
    sender.try_send(1).unwrap();
    assert!(matches!(scheduler.run(), Err(RunError::Stalled(_))));
    assert_eq!(task(&scheduler.dump(), "waits").doing.to_string(), "waits");
}

#[test]
fn l7_a_task_that_is_polled_is_listed_with_its_time() {
    let clock = VirtualClock::new();
    let options = LocalOptions::new().clock(clock.clock()).slow_poll(LIMIT, record);
    let scheduler = Rc::new(options.build().unwrap());
    let seen = Rc::new(RefCell::new(String::new()));
    let (inside, says) = (Rc::downgrade(&scheduler), seen.clone());
    spawn(&scheduler, Spawn::new().name("long"), async move {
        clock.advance(Duration::from_millis(7));
        *says.borrow_mut() = inside.upgrade().unwrap().dump().to_string();
    });
    scheduler.run().unwrap();
    let lines = seen.take();
    let lines: Vec<_> = lines.lines().map(str::split_whitespace).map(Vec::from_iter).collect();
    assert_eq!(lines[0], ["task", "name", "state"]);
    assert_eq!(lines[1][1..], ["long", "running", "for", "7", "ms", "on", "worker", "0"]);
}
