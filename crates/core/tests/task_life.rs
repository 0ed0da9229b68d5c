//! Spawning into every kind of storage, names and lists, exits, the end of a stalled program.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use wakering_core::Error;
use wakering_core::abi::ErrorKind;
use wakering_core::scheduler::{LocalOptions, LocalScheduler, RunError};
use wakering_core::task::{
    Doing, LocalJoinHandle, Spawn, TaskPool, TaskStorage, current, exit, exit_all, set_name,
    spawn_local, try_spawn_local, yield_now,
};

/// Counts down, a step each poll, and says what it started from.
struct Countdown {
    left: u32,
    from: u32,
}

fn countdown(from: u32) -> Countdown {
    Countdown { left: from, from }
}

impl Future for Countdown {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if self.left == 0 {
            return Poll::Ready(self.from);
        }
        self.left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn f2_storage_is_claimed_or_busy_and_used_again() {
    static STORAGE: TaskStorage<Countdown> = TaskStorage::new();
    let scheduler = LocalScheduler::new().unwrap();
    for round in 1..=3 {
        let join = scheduler.spawn_in(&STORAGE, Spawn::new(), || countdown(round)).unwrap();
        let busy = scheduler.spawn_in(&STORAGE, Spawn::new(), || countdown(9)).unwrap_err();
        assert_eq!(busy, Error::Kind(ErrorKind::Busy));
        assert_eq!(scheduler.block_on(join).unwrap(), round);
    }
}

#[test]
fn f2_storage_is_busy_as_long_as_a_waker_is_out() {
    static STORAGE: TaskStorage<Pin<Box<dyn Future<Output = ()> + Send>>> = TaskStorage::new();
    let scheduler = LocalScheduler::new().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let keeps = async move {
        std::future::poll_fn(move |cx| {
            send.send(cx.waker().clone()).unwrap();
            Poll::Ready(())
        })
        .await
    };
    let join = scheduler.spawn_in(&STORAGE, Spawn::new(), || Box::pin(keeps)).unwrap();
    scheduler.block_on(join).unwrap();
    let waker = receive.recv().unwrap();
    let again = || scheduler.spawn_in(&STORAGE, Spawn::new(), || Box::pin(ready(())));
    assert!(again().is_err());
    drop(waker);
    assert!(again().is_ok());
}

#[test]
fn f2_a_storage_whose_future_cannot_be_made_is_free_again() {
    static STORAGE: TaskStorage<Countdown> = TaskStorage::new();
    let scheduler = LocalScheduler::new().unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = scheduler.spawn_in(&STORAGE, Spawn::new(), || panic!("no future"));
    }));
    assert!(caught.is_err());
    assert!(scheduler.spawn_in(&STORAGE, Spawn::new(), || countdown(0)).is_ok());
}

#[test]
fn f2_a_pool_takes_as_many_as_it_has_places() {
    static POOL: TaskPool<Countdown, 3> = TaskPool::new();
    let scheduler = LocalScheduler::new().unwrap();
    let spawn = |n| scheduler.spawn_in(&POOL, Spawn::new(), move || countdown(n));
    let joins: Vec<LocalJoinHandle<u32>> = (0..3).map(|n| spawn(n).unwrap()).collect();
    assert!(spawn(3).is_err());
    for (n, join) in joins.into_iter().enumerate() {
        assert_eq!(scheduler.block_on(join).unwrap(), n as u32);
    }
    assert!(spawn(4).is_ok());
}

#[test]
fn futures_of_every_size_and_alignment_find_a_place() {
    #[repr(align(16))]
    struct Wide([u8; 32]);
    #[repr(align(256))]
    struct Wider([u8; 256]);
    let scheduler = LocalScheduler::new().unwrap();
    macro_rules! sizes {
        ($($size:literal)*) => { $({
            let bytes = [7u8; $size];
            let join = scheduler.spawn(async move {
                yield_now().await;
                bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>()
            });
            assert_eq!(scheduler.block_on(join).unwrap(), 7 * $size);
        })* };
    }
    sizes!(0 1 15 16 17 64 100 200 300 500 700 1000 1500 1900 1990 2000 2100 5000 100000);
    let wide = Wide([1; 32]);
    let join = scheduler.spawn(async move {
        yield_now().await;
        assert!((&raw const wide).addr().is_multiple_of(16));
        wide.0[31]
    });
    assert_eq!(scheduler.block_on(join).unwrap(), 1);
    let wider = Wider([2; 256]);
    let join = scheduler.spawn(async move {
        yield_now().await;
        assert!((&raw const wider).addr().is_multiple_of(256));
        wider
    });
    assert_eq!(scheduler.block_on(join).unwrap().0[255], 2);
}

#[test]
fn l2_beyond_the_bound_spawns_are_busy_and_can_be_tried_again() {
    let scheduler = LocalOptions::new().bytes_max(32 * 1024).build().unwrap();
    let mut joins = Vec::new();
    let refused = loop {
        match scheduler.try_spawn(async { 1 }) {
            Ok(join) => joins.push(join),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.error(), Error::Kind(ErrorKind::Busy));
    assert!((400..512).contains(&joins.len()), "{}", joins.len());
    assert!(scheduler.run().is_ok());
    joins.clear();
    let join = scheduler.try_spawn(refused.into_future()).unwrap();
    assert!(scheduler.run().is_ok());
    assert!(join.is_finished());
}

#[test]
fn l2_outside_of_a_scheduler_the_future_comes_back() {
    let refused = try_spawn_local(Spawn::new(), async { 3 }).unwrap_err();
    assert_eq!(refused.error(), Error::Kind(ErrorKind::Unsupported));
    assert_eq!(wakering_core::task::block_on(refused.into_future()), 3);
}

#[test]
fn l4_exit_ends_its_task_and_the_run_gives_the_status() {
    let scheduler = LocalScheduler::new().unwrap();
    let join = scheduler.spawn(async {
        async fn deep() {
            match exit(3).await {}
        }
        deep().await;
    });
    scheduler.spawn(async { while yield_now().await > 0 {} }).detach();
    assert_eq!(scheduler.run(), Ok(3));
    assert!(scheduler.block_on(join).unwrap_err().is_cancelled());
}

#[test]
fn l4_exit_all_ends_the_run_with_its_status_and_not_the_process() {
    let scheduler = LocalScheduler::new().unwrap();
    scheduler.spawn(pending::<()>()).detach();
    scheduler.spawn(async { match exit_all(7).await {} }).detach();
    assert_eq!(scheduler.run(), Ok(7));
    scheduler.spawn(async { match exit_all(8).await {} }).detach();
    assert_eq!(scheduler.run_until(pending::<()>()), Err(RunError::Exited(8)));
    assert_eq!(
        scheduler.run_until(async { match exit(9).await {} }),
        Err::<(), _>(RunError::Exited(9))
    );
    assert_eq!(scheduler.block_on(async { 1 }), 1);
    let other = LocalScheduler::new().unwrap();
    assert_eq!(other.run(), Ok(0));
}

#[test]
fn l4_a_future_that_was_left_behind_is_dropped_with_its_caller() {
    let scheduler = LocalScheduler::new().unwrap();
    let mut borrowed = 0;
    let root = async {
        borrowed += 1;
        pending::<()>().await;
    };
    let exits = async {
        yield_now().await;
        match exit_all(1).await {}
    };
    scheduler.spawn(exits).detach();
    assert_eq!(scheduler.run_until(root), Err(RunError::Exited(1)));
    assert_eq!(borrowed, 1);
    borrowed += 1;
    // What is left of the root has its turn here, and touches nothing.
    scheduler.block_on(async {});
    assert!(scheduler.dump().is_empty());
    assert_eq!(borrowed, 2);
}

#[test]
fn l7_the_list_of_tasks_says_who_waits_for_what() {
    let scheduler = LocalScheduler::new().unwrap();
    let named = Spawn::new().name("server");
    let server = scheduler.try_spawn_as(named, pending::<u8>()).unwrap();
    let id = server.id().unwrap();
    let waits = scheduler.spawn(async move {
        assert!(!set_name("not named"));
        let _ = server.await;
    });
    let renamed = scheduler
        .try_spawn_as(Spawn::new().name("old").system(), async {
            assert!(set_name("new"));
            std::future::poll_fn(|cx| {
                use wakering_core::task::{WaitsFor, WokenFrom, note_waiting};
                static READ: WaitsFor = WaitsFor::numbered("read fd");
                note_waiting(cx, &READ, 12, WokenFrom::Anywhere);
                Poll::<()>::Pending
            })
            .await
        })
        .unwrap();
    let ready = scheduler.try_spawn_as(Spawn::new().name("ready"), async {}).unwrap();
    assert!(scheduler.has_ready());
    let list = scheduler.dump();
    assert!(list.iter().all(|task| task.doing == Doing::Ready));
    scheduler.block_on(ready).unwrap();
    let list = scheduler.dump();
    let of = |id| *list.iter().find(|task| Some(task.id) == id).unwrap();
    let server = of(Some(id));
    assert_eq!(server.name, Some("server"));
    assert_eq!(server.doing, Doing::Waiting { reason: None, word: 0 });
    assert_eq!(of(waits.id()).to_string().split(": ").last(), Some("waits for join 0"));
    let renamed = of(renamed.id());
    assert!(renamed.to_string().ends_with(" 'new' [system]: waits for read fd 12"), "{renamed}");
    assert_eq!(list.len(), 3);
}

#[test]
fn a_task_knows_its_number_and_no_two_have_the_same() {
    let scheduler = LocalScheduler::new().unwrap();
    assert_eq!(current(), None);
    let mut ids = Vec::new();
    for _ in 0..100 {
        let join = scheduler.spawn(async { current().unwrap() });
        let id = join.id().unwrap();
        assert_eq!(scheduler.block_on(join).unwrap(), id);
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
}

#[test]
fn l9_two_tasks_that_await_each_other_are_stalled() {
    use std::cell::RefCell;
    use std::rc::Rc;
    let scheduler = LocalScheduler::new().unwrap();
    let handles: Rc<[RefCell<Option<LocalJoinHandle<()>>>; 2]> = Rc::default();
    let waits_for = |other: usize| {
        let handles = handles.clone();
        async move {
            yield_now().await;
            let other = handles[other].take().unwrap();
            let _ = other.await;
        }
    };
    let one = scheduler.try_spawn_as(Spawn::new().name("one"), waits_for(1)).unwrap();
    let two = scheduler.try_spawn_as(Spawn::new().name("two"), waits_for(0)).unwrap();
    *handles[0].borrow_mut() = Some(one);
    *handles[1].borrow_mut() = Some(two);
    let Err(RunError::Stalled(stalled)) = scheduler.run() else { panic!("it is stalled") };
    assert_eq!(stalled.tasks.len(), 2);
    let said = stalled.to_string();
    assert!(
        said.contains("'one': waits for join") && said.contains("'two': waits for join"),
        "{said}"
    );
}

#[test]
fn l9_block_on_says_stalled_where_nothing_can_wake_it() {
    let scheduler = LocalScheduler::new().unwrap();
    assert!(matches!(scheduler.run_until(pending::<()>()), Err(RunError::Stalled(_))));
    let [join] = scheduler.block_on(async { [spawn_local(pending::<()>())] });
    assert!(matches!(scheduler.run_until(join), Err(RunError::Stalled(_))));
}

#[test]
fn l9_it_is_never_said_while_somebody_may_wake() {
    use std::time::Duration;
    let scheduler = LocalScheduler::new().unwrap();
    // A waker is out.
    let waker_out = std::future::poll_fn({
        let mut thread = None;
        move |cx| {
            let waker = cx.waker().clone();
            let woken = thread.is_some();
            thread.get_or_insert_with(|| {
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(30));
                    waker.wake();
                })
            });
            if woken { Poll::Ready(()) } else { Poll::Pending }
        }
    });
    scheduler.run_until(waker_out).unwrap();
    // A remote is out.
    let remote = scheduler.remote();
    let aborted = scheduler.spawn(pending::<()>());
    let aborter = aborted.abort_handle();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        remote.spawn(async move { aborter.abort() }).detach();
    });
    assert!(scheduler.run_until(aborted).unwrap().unwrap_err().is_cancelled());
    thread.join().unwrap();
    // A join handle is where a thread can abort with it.
    let away = scheduler.spawn(pending::<()>()).anywhere();
    let waits = scheduler.spawn(async {});
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        away.abort();
    });
    assert_eq!(scheduler.run(), Ok(0));
    thread.join().unwrap();
    waits.detach();
}
