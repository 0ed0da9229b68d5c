//! Threads that have nothing to do: they stop looking for work and are not run by the kernel any more.

#![expect(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use wakering_core::scheduler::{LocalScheduler, Options, Scheduler};
use wakering_core::task::block_on;

/// How often the kernel has let each thread run whose name begins like this.
fn runs(name: &str) -> BTreeMap<String, u64> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |thread: fs::DirEntry| {
        let read = |file| fs::read_to_string(thread.path().join(file)).ok();
        read("comm").filter(|comm| comm.starts_with(name))?;
        let runs = read("schedstat")?.split_whitespace().nth(2)?.parse().ok()?;
        Some((thread.file_name().to_string_lossy().into_owned(), runs))
    };
    threads.filter_map(of).collect()
}

/// A future that gives its waker away and waits until it is woken.
async fn wait_for_a_wake(tell: mpsc::Sender<Waker>) {
    let mut told = false;
    std::future::poll_fn(|cx| {
        if told {
            return Poll::Ready(());
        }
        told = true;
        tell.send(cx.waker().clone()).unwrap();
        Poll::Pending
    })
    .await;
}

#[test]
fn threads_without_work_are_not_run_at_all() {
    let (tell, told) = mpsc::channel();
    let scheduler = Scheduler::start(Options::new().workers(4).name("idle-many")).unwrap();
    scheduler.spawn(wait_for_a_wake(tell.clone())).detach();
    let spawn = |name: &str, body: fn(mpsc::Sender<Waker>)| {
        let tell = tell.clone();
        thread::Builder::new().name(name.into()).spawn(move || body(tell)).unwrap()
    };
    let one = spawn("idle-one", |tell| {
        LocalScheduler::new().unwrap().block_on(wait_for_a_wake(tell));
    });
    let none = spawn("idle-none", |tell| block_on(wait_for_a_wake(tell)));
    let wakers: Vec<Waker> = told.iter().take(3).collect();

    let began = Instant::now();
    let mut quiet_since = Instant::now();
    let mut seen = runs("idle-");
    if seen.is_empty() {
        println!("skipped: this kernel does not count how often threads run");
    } else {
        assert_eq!(seen.len(), 6);
        while quiet_since.elapsed() < Duration::from_millis(250) {
            thread::sleep(Duration::from_millis(10));
            let now = runs("idle-");
            if now != seen {
                seen = now;
                quiet_since = Instant::now();
            }
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "somebody goes on running: {seen:?}"
            );
        }
    }
    wakers.into_iter().for_each(Waker::wake);
    one.join().unwrap();
    none.join().unwrap();
}
