//! The pool of a scheduler, and the CPUs on which its threads run.

#![expect(clippy::print_stderr, reason = "what is skipped is printed with its reason")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use wakering_core::scheduler::affinity::{CpuSet, Warning};
use wakering_core::scheduler::{LocalScheduler, Options, Scheduler};
use wakering_core::task::{self, spawn_blocking, yield_now};

fn start(options: Options) -> Scheduler {
    Scheduler::start(options).unwrap()
}

fn own() -> CpuSet {
    CpuSet::of_this_thread().unwrap()
}

/// The CPUs of each worker and of a thread of the pool, as these see them themselves.
fn cpus_of_all(scheduler: &Scheduler, workers: usize) -> Vec<CpuSet> {
    let mut sets: Vec<_> = (0..workers)
        .map(|worker| {
            scheduler.block_on(scheduler.spawn_on(worker, || async move { own() })).unwrap()
        })
        .collect();
    sets.push(scheduler.block_on(scheduler.spawn_blocking(own)).unwrap());
    sets
}

#[test]
fn f13_neither_workers_nor_the_pool_run_on_a_cpu_that_is_kept_free() {
    let all = CpuSet::of_this_thread().unwrap();
    let Some(kept) = all.iter().last().filter(|_| all.len() >= 2) else {
        eprintln!("skipped: there is one CPU only");
        return;
    };
    let keep_off = CpuSet::from_iter([kept]);
    let scheduler = start(Options::new().workers(3).keep_off(keep_off));
    for set in cpus_of_all(&scheduler, 3) {
        assert_eq!(set, all.without(&keep_off));
    }
    assert_eq!(scheduler.placement().unwrap().warning, None);
}

#[test]
fn f13_pinned_workers_have_one_cpu_each_as_far_as_there_are_some() {
    let all = CpuSet::of_this_thread().unwrap();
    let workers = all.len() + 1;
    let scheduler = start(Options::new().workers(workers).pinned(true));
    let sets = cpus_of_all(&scheduler, workers);
    for (worker, set) in sets[..workers].iter().enumerate() {
        let cpu = all.iter().nth(worker % all.len()).unwrap();
        assert_eq!(*set, CpuSet::from_iter([cpu]));
    }
    assert_eq!(sets[workers], all);
    assert_eq!(scheduler.placement().unwrap().warning, Some(Warning::SharedCpu));
}

#[test]
fn f13_where_there_is_one_cpu_it_runs_there_and_says_so() {
    let on_one = std::thread::spawn(|| {
        let one = CpuSet::from_iter(CpuSet::of_this_thread().unwrap().iter().take(1));
        assert_eq!(one.bind_this_thread().unwrap(), one);
        let scheduler = start(Options::new().workers(2).keep_off(one));
        assert_eq!(cpus_of_all(&scheduler, 2), [one; 3]);
        scheduler.placement().unwrap().warning
    });
    assert_eq!(on_one.join().unwrap(), Some(Warning::NoOtherCpu));
    assert!(start(Options::new().workers(1)).placement().is_none());
}

/// How many are at it at the same time, at the most.
#[derive(Default)]
struct Overlap {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Overlap {
    fn work(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let sum: u64 = std::hint::black_box((0..100_000).sum());
        assert_eq!(sum, 4_999_950_000);
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn m10_what_has_one_worker_runs_one_after_the_other() {
    let scheduler = start(Options::new().workers(1).pool_threads(1));
    let overlap = Arc::new(Overlap::default());
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let overlap = overlap.clone();
            scheduler.spawn(async move { overlap.work() })
        })
        .collect();
    tasks.into_iter().for_each(|task| scheduler.block_on(task).unwrap());
    let jobs: Vec<_> = (0..50)
        .map(|_| {
            let overlap = overlap.clone();
            scheduler.spawn_blocking(move || overlap.work())
        })
        .collect();
    jobs.into_iter().for_each(|job| scheduler.block_on(job).unwrap());
    assert_eq!(overlap.most.load(Ordering::SeqCst), 1);
}

#[test]
fn m10_what_has_two_runs_side_by_side() {
    // Each waits until the other is there too.
    let scheduler = start(Options::new().workers(2).pool_threads(2));
    let both = Arc::new(Barrier::new(2));
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let both = both.clone();
            scheduler.spawn(async move { both.wait().is_leader() })
        })
        .collect();
    let leaders = tasks.into_iter().map(|task| scheduler.block_on(task).unwrap());
    assert_eq!(leaders.filter(|&leader| leader).count(), 1);
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let both = both.clone();
            scheduler.spawn_blocking(move || both.wait().is_leader())
        })
        .collect();
    let leaders = jobs.into_iter().map(|job| scheduler.block_on(job).unwrap());
    assert_eq!(leaders.filter(|&leader| leader).count(), 1);
}

#[test]
fn r13_tasks_go_on_while_jobs_block() {
    let scheduler = start(Options::new().workers(1));
    let joined = scheduler.spawn(async {
        let (go_on, waits) = mpsc::channel::<()>();
        let waits = Arc::new(std::sync::Mutex::new(waits));
        let jobs: Vec<_> = (0..10)
            .map(|n| {
                let waits = waits.clone();
                spawn_blocking(move || {
                    waits.lock().unwrap().recv().unwrap();
                    n
                })
            })
            .collect();
        // The jobs have to wait for what comes after all of these turns.
        for _ in 0..1000 {
            task::spawn(yield_now()).await.unwrap();
        }
        (0..10).for_each(|_| go_on.send(()).unwrap());
        let mut sum = 0;
        for job in jobs {
            sum += job.await.unwrap();
        }
        sum
    });
    assert_eq!(scheduler.block_on(joined).unwrap(), 45);
}

#[test]
fn no_thread_starts_before_a_job_comes() {
    let scheduler = start(Options::new().workers(1));
    scheduler.block_on(scheduler.spawn(async {})).unwrap();
    assert_eq!(scheduler.pool_metrics().threads, 0);
    scheduler.block_on(scheduler.spawn_blocking(|| ())).unwrap();
    assert_eq!(scheduler.pool_metrics().threads, 1);
}

#[test]
fn a_job_of_a_local_scheduler_is_awaited_like_anything_else_and_is_no_stall() {
    let scheduler = LocalScheduler::new().unwrap();
    let (go_on, waits) = mpsc::channel::<()>();
    let later = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        go_on.send(()).unwrap();
    });
    let job = async move {
        let job = spawn_blocking(move || waits.recv().map(|()| 6).unwrap());
        job.await.unwrap()
    };
    assert_eq!(scheduler.run_until(job).unwrap(), 6);
    assert_eq!(scheduler.pool_metrics().threads, 1);
    later.join().unwrap();
}
