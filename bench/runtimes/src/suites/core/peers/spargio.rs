//! spargio: a runtime of shards over io_uring that steal from each other. A shard that has nothing to do
//! never sleeps, so its numbers are those of CPUs that are never given back.
//!
//! Left out: `spawn_many_remote_busy1`, which does not end, because its shards go on with what yields
//! and never come to what is spawned from outside.

use super::tokio::Tokio;
use crate::contender::{Contender, Run};
use crate::suites::core::rows::{self, ManyThreads};
use futures_lite::future;
use spargio::{Runtime, RuntimeHandle};
use std::sync::OnceLock;

pub const CONTENDER: Contender = Contender { name: "spargio", crates: &["spargio"], cells };

fn cells() -> Vec<(&'static str, Run)> {
    let mut cells = rows::many_cells::<Spargio>();
    cells.retain(|(name, _)| *name != "spawn_many_remote_busy1");
    cells.push(rows::memory_cell::<Spargio>());
    cells
}

struct Spargio;

static RUNTIME: OnceLock<RuntimeHandle> = OnceLock::new();

fn runtime() -> &'static RuntimeHandle {
    RUNTIME.get().expect("started")
}

impl ManyThreads for Spargio {
    fn start(workers: usize) {
        let runtime = Runtime::builder().shards(workers).build().expect("threads and rings");
        assert!(RUNTIME.set(runtime.handle()).is_ok(), "started once");
        // It lives as long as the process.
        std::mem::forget(runtime);
    }

    fn spawn(
        future: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let join = runtime().spawn_stealable(future).expect("it runs");
        async { join.await.expect("no panic") }
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        drop(runtime().spawn_stealable(future).expect("it runs"));
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        future::block_on(future)
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        future::yield_now()
    }

    // Its oneshots are for threads of its own; tokio's need no runtime.
    type Sender = <Tokio as ManyThreads>::Sender;
    type Receiver = <Tokio as ManyThreads>::Receiver;

    fn oneshot() -> (Self::Sender, Self::Receiver) {
        <Tokio as ManyThreads>::oneshot()
    }

    fn send(sender: Self::Sender) {
        <Tokio as ManyThreads>::send(sender);
    }

    fn receive(receiver: Self::Receiver) -> impl Future<Output = ()> + Send + 'static {
        <Tokio as ManyThreads>::receive(receiver)
    }
}
