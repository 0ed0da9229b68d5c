use super::*;
use crate::loom::{AtomicUsize, Ordering};
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

const LONG: Duration = Duration::from_secs(20);

struct Unparker(thread::Thread, AtomicUsize);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unparker(thread::current(), AtomicUsize::new(0))));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

fn pool(threads_max: usize, queue_max: usize) -> CpuPool {
    CpuPool::new(CpuPoolConfig { threads_max, queue_max, ..CpuPoolConfig::cpu() })
}

/// A job that has started and waits for its end to be allowed.
fn started(pool: &CpuPool) -> (Job<u32>, mpsc::Sender<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let job = pool.spawn(move || {
        tell.send(()).unwrap();
        let _ = gate.recv();
        7
    });
    told.recv().unwrap();
    (job.unwrap(), go)
}

fn named(name: &'static str, priority: Priority) -> JobOptions {
    JobOptions { name, priority }
}

/// Uses a CPU for so long.
fn burn(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < LONG, "it did not come about");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn queued_by_thread_gives_its_value_on_a_named_thread() {
    let pool = pool(2, 8);
    let job = pool.spawn(|| thread::current().name().map(str::to_owned)).unwrap();
    assert_eq!(block_on(job).unwrap().unwrap(), "wakering-cpu-0");
    assert_eq!(pool.shutdown(LONG), Shutdown::default());
}

#[test]
fn queued_by_full_is_busy() {
    let pool = pool(1, 2);
    let (job, go) = started(&pool);
    let queued: Vec<_> = (0..2).map(|index| pool.spawn(move || index).unwrap()).collect();
    assert_eq!(pool.spawn(|| ()).unwrap_err(), Error::Kind(ErrorKind::Busy));
    assert_eq!((pool.metrics().queued, pool.metrics().refused), (2, 1));
    drop(go);
    assert_eq!(block_on(job).unwrap(), 7);
    for (index, job) in queued.into_iter().enumerate() {
        assert_eq!(block_on(job).unwrap(), index);
    }
    until(|| pool.metrics().finished == 3);
}

#[test]
fn queued_by_cancel_never_runs_and_drops_what_it_owns() {
    let pool = pool(1, 1);
    let (job, go) = started(&pool);
    let owned = Arc::new(());
    let inside = owned.clone();
    let queued = pool.spawn(move || drop(inside)).unwrap();
    assert_eq!(queued.cancel(), CancelJob::Cancelled);
    assert_eq!(Arc::strong_count(&owned), 1);
    assert!(queued.is_finished());
    assert_eq!(queued.cancel(), CancelJob::TooLate);
    assert!(matches!(block_on(queued), Err(JobError::Cancelled)));
    // Its place is free.
    let next = pool.spawn(|| 1).unwrap();
    drop(go);
    assert_eq!((block_on(job).unwrap(), block_on(next).unwrap()), (7, 1));
    assert_eq!(pool.metrics().cancelled, 1);
}

#[test]
fn running_by_cancel_is_too_late() {
    let pool = pool(1, 1);
    let (job, go) = started(&pool);
    assert_eq!(job.cancel(), CancelJob::TooLate);
    assert!(!job.is_finished());
    drop(go);
    assert_eq!(block_on(job).unwrap(), 7);
}

#[test]
fn running_by_panic_is_carried_and_the_thread_goes_on() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let pool = pool(1, 4);
    let job = pool.spawn(|| -> u32 { panic!("no {}", 5) }).unwrap();
    let error = block_on(job).unwrap_err();
    assert_eq!(error.to_string(), "the job panicked: no 5");
    // A value that nobody wants and that panics as it is dropped.
    let (job, go) = started(&pool);
    drop(pool.spawn(|| Bomb).unwrap());
    drop(go);
    assert_eq!(block_on(job).unwrap(), 7);
    assert_eq!(block_on(pool.spawn(|| 1).unwrap()).unwrap(), 1);
    until(|| pool.metrics().finished == 4);
    assert_eq!((pool.metrics().panicked, pool.metrics().threads), (2, 1));
}

#[test]
fn dropped_by_owner_runs_all_the_same() {
    let pool = pool(1, 1);
    let (tell, told) = mpsc::channel();
    drop(pool.spawn(move || tell.send(5).unwrap()).unwrap());
    assert_eq!(told.recv().unwrap(), 5);
}

#[test]
fn awaited_by_two_wakers_wakes_the_last_once() {
    let pool = pool(1, 1);
    let (mut job, go) = started(&pool);
    let wakers: Vec<_> =
        (0..2).map(|_| Arc::new(Unparker(thread::current(), AtomicUsize::new(0)))).collect();
    for waker in &wakers {
        let waker = Waker::from(waker.clone());
        for _ in 0..3 {
            assert!(pin!(&mut job).poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    drop(go);
    until(|| wakers[1].1.load(Ordering::Relaxed) > 0);
    assert_eq!(block_on(job).unwrap(), 7);
    let counts: Vec<_> = wakers.iter().map(|waker| waker.1.load(Ordering::Relaxed)).collect();
    assert_eq!(counts, [0, 1]);
}

#[test]
fn queued_by_priority() {
    let pool = pool(1, 8);
    let (job, go) = started(&pool);
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs: Vec<_> = [
        ("low", Priority::Low),
        ("normal", Priority::Normal),
        ("high", Priority::High),
        ("high, later", Priority::High),
    ]
    .into_iter()
    .map(|(name, priority)| {
        let order = order.clone();
        pool.spawn_with(named(name, priority), move || lock(&order).push(name)).unwrap()
    })
    .collect();
    drop(go);
    block_on(job).unwrap();
    jobs.into_iter().for_each(|job| block_on(job).unwrap());
    // The take with number 3, the last of these, looks for low ones first, and finds normal gone.
    assert_eq!(*lock(&order), ["high", "high, later", "low", "normal"]);
}

#[test]
fn shutdown_cancels_what_waits_and_joins_the_rest() {
    let pool = pool(2, 8);
    let (job, go) = started(&pool);
    let (other, other_go) = started(&pool);
    let queued: Vec<_> = (0..3).map(|_| pool.spawn(|| ()).unwrap()).collect();
    let ender = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        drop((go, other_go));
    });
    assert_eq!(pool.shutdown(LONG), Shutdown { cancelled: 3, stuck: Vec::new() });
    assert_eq!(pool.metrics().threads, 0);
    assert_eq!(pool.spawn(|| ()).unwrap_err(), Error::Kind(ErrorKind::Closed));
    assert_eq!((block_on(job).unwrap(), block_on(other).unwrap()), (7, 7));
    for job in queued {
        assert!(matches!(block_on(job), Err(JobError::Cancelled)));
    }
    ender.join().unwrap();
}

#[test]
fn shutdown_reports_what_is_stuck_when_its_time_is_over() {
    let pool = pool(1, 8);
    let (go, gate) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let job = pool.spawn_with(named("stuck one", Priority::Low), move || {
        tell.send(()).unwrap();
        let _ = gate.recv();
    });
    told.recv().unwrap();
    let began = Instant::now();
    let report = pool.shutdown(Duration::from_millis(30));
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert_eq!(report.stuck.len(), 1);
    assert_eq!((report.stuck[0].name, report.stuck[0].thread), ("stuck one", 0));
    drop(go);
    block_on(job.unwrap()).unwrap();
    assert_eq!(pool.shutdown(LONG), Shutdown::default());
}

#[test]
fn dropped_pool_cancels_what_waits() {
    let pool = pool(1, 8);
    let (job, go) = started(&pool);
    let queued = pool.spawn(|| ()).unwrap();
    drop(pool);
    assert!(matches!(block_on(queued), Err(JobError::Cancelled)));
    drop(go);
    assert_eq!(block_on(job).unwrap(), 7);
}

#[test]
fn idle_threads_end_and_come_back() {
    let idle = Duration::from_millis(10);
    let pool = CpuPool::new(CpuPoolConfig { threads_max: 3, idle, ..CpuPoolConfig::cpu() });
    for round in 0..3u64 {
        let jobs: Vec<_> = (0..3).map(|_| started(&pool)).collect();
        assert_eq!(pool.metrics().threads, 3);
        for (job, go) in jobs {
            drop(go);
            block_on(job).unwrap();
        }
        until(|| pool.metrics().threads == 0);
        assert_eq!(pool.metrics().finished, 3 * (round + 1));
    }
}

#[test]
fn the_last_to_fall_asleep_is_the_first_to_be_called() {
    let pool = pool(2, 8);
    let (first, first_go) = started(&pool);
    let (second, second_go) = started(&pool);
    drop(first_go);
    block_on(first).unwrap();
    until(|| pool.metrics().asleep == 1);
    drop(second_go);
    block_on(second).unwrap();
    until(|| pool.metrics().asleep == 2);
    for _ in 0..5 {
        let name = block_on(pool.spawn(|| thread::current().name().map(str::to_owned)).unwrap());
        assert_eq!(name.unwrap().unwrap(), "wakering-cpu-1");
        until(|| pool.metrics().asleep == 2);
    }
}

#[test]
fn f13_pool_threads_keep_off_a_cpu() {
    let available = CpuSet::of_this_thread().unwrap();
    let kept_off: CpuSet = available.iter().take(1).collect();
    let places = super::super::affinity::place(available, kept_off, 1, false);
    let config = CpuPoolConfig { cpus: Some(places.cpus), ..CpuPoolConfig::cpu() };
    let pool = CpuPool::new(config);
    let seen = block_on(pool.spawn(|| CpuSet::of_this_thread().unwrap()).unwrap()).unwrap();
    assert_eq!(seen, places.cpus);
    assert_eq!(pool.metrics().unbound, 0);
}

/// How many of two jobs were at work at once, and how long both took.
fn two_at_once(threads_max: usize) -> (usize, Duration) {
    let pool = pool(threads_max, 8);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let (now, most) = (now.clone(), most.clone());
            let work = move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                burn(Duration::from_millis(200));
                now.fetch_sub(1, Ordering::SeqCst);
            };
            pool.spawn(work).unwrap()
        })
        .collect();
    jobs.into_iter().for_each(|job| block_on(job).unwrap());
    (most.load(Ordering::SeqCst), began.elapsed())
}

#[test]
fn m10_one_thread_is_serial_and_two_are_parallel() {
    let (at_once, took) = two_at_once(1);
    assert_eq!(at_once, 1);
    assert!(took >= Duration::from_millis(400));
    let (at_once, _) = two_at_once(2);
    assert_eq!(at_once, 2);
}

/// Each of 10 jobs computes until the loop has ticked 100 times beside it, and not before.
#[test]
fn r13_heavy_work_does_not_delay_a_loop() {
    let pool = CpuPool::new(CpuPoolConfig::cpu());
    let ticks = Arc::new(AtomicUsize::new(0));
    let jobs: Vec<_> = (0..10)
        .map(|_| {
            let ticks = ticks.clone();
            let work = move || {
                let until = ticks.load(Ordering::SeqCst) + 100;
                while ticks.load(Ordering::SeqCst) < until {
                    thread::yield_now();
                }
            };
            pool.spawn(work).unwrap()
        })
        .collect();
    while !jobs.iter().all(Job::is_finished) {
        ticks.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
    }
    jobs.into_iter().for_each(|job| block_on(job).unwrap());
}
