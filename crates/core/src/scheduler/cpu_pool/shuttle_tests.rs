//! The pool at random: jobs are cancelled while they wait, threads end because they idle, others are
//! started, and the pool is shut down in the middle. (There is no time here: each wait of an idle
//! thread may be over at once.)

use super::{CancelJob, JobError};
use super::{CpuPool, CpuPoolConfig, Duration, Shutdown};
use crate::loom::testing::explore;
use crate::loom::{AtomicUsize, Ordering};
use crate::task::block_on;
use shuttle::thread;
use std::sync::Arc;

fn pool(threads_max: usize) -> CpuPool {
    CpuPool::new(CpuPoolConfig { threads_max, queue_max: 4, ..CpuPoolConfig::cpu() })
}

/// Dropped with the closure that owns it, run or not.
struct Owned(Arc<AtomicUsize>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whatever a cancel says is so: the job has run, or has not and never will.
#[test]
fn a_cancelled_job_never_runs_and_another_does() {
    explore(|| {
        let pool = pool(1);
        let (ran, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: [_; 3] = std::array::from_fn(|_| {
            let (ran, owned) = (ran.clone(), Owned(dropped.clone()));
            let work = move || {
                let _owned = owned;
                ran.fetch_add(1, Ordering::Relaxed);
            };
            pool.spawn(work).unwrap()
        });
        let mut expected = 0;
        for (number, job) in jobs.into_iter().enumerate() {
            if number == 1 {
                expected += usize::from(job.cancel() == CancelJob::TooLate);
                let outcome = block_on(job);
                assert!(matches!(outcome, Ok(()) | Err(JobError::Cancelled)));
            } else {
                block_on(job).unwrap();
                expected += 1;
            }
        }
        assert_eq!(pool.shutdown(Duration::from_secs(3600)), Shutdown::default());
        assert_eq!((ran.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed)), (expected, 3));
    });
}

#[test]
fn a_shutdown_answers_every_job_and_leaves_no_thread() {
    explore(|| {
        let pool = Arc::new(pool(2));
        let dropped = Arc::new(AtomicUsize::new(0));
        let spawn = |pool: &CpuPool| {
            let owned = Owned(dropped.clone());
            pool.spawn(move || drop(owned)).ok()
        };
        let mut jobs = vec![spawn(&pool), spawn(&pool)];
        let other = {
            let (pool, dropped) = (pool.clone(), dropped.clone());
            thread::spawn(move || {
                let owned = Owned(dropped);
                pool.spawn(move || drop(owned)).ok()
            })
        };
        let ended = pool.shutdown(Duration::from_secs(3600));
        assert_eq!(ended.stuck, []);
        jobs.push(other.join().unwrap());
        for job in jobs.into_iter().flatten() {
            assert!(matches!(block_on(job), Ok(()) | Err(JobError::Cancelled)));
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        assert_eq!(pool.metrics().threads, 0);
    });
}
