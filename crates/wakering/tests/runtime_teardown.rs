//! The end of a runtime with everything in flight: no descriptor and no thread is left, and the kernel writes
//! into nothing that was freed.

use std::future::poll_fn;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;
use wakering::Builder;
use wakering::net::{TcpListener, UdpSocket};
use wakering::task::block_on;
use wakering_core::Error;
use wakering_core::abi::{ErrorKind, Opcode, op_flag};
use wakering_core::block::BlockPool;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{PathRole, Prepared, Resource};
use wakering_core::scheduler::{Ops, Request, describe};
use wakering_core::slot::Outcome;

#[path = "support/around.rs"]
mod around;
#[path = "support/drivers.rs"]
mod drivers;

use around::{ANYWHERE, alone, descriptors, pair, threads};
use drivers::personalities;

const LONG: Duration = Duration::from_secs(20);
const BLOCK: usize = 4096;
const BYTES: usize = 64 << 10;

/// Reads past the page cache, into memory that goes along: from the first block's boundary in it on.
#[derive(Debug)]
struct ReadDirect(Arc<Descriptor>, u64);

// SAFETY: the resource keeps the memory, which is longer by a block than what is read, and the file open.
unsafe impl Request for ReadDirect {
    type Output = (i32, Vec<u8>);

    fn prepare(&mut self, resource: &mut Resource, _: &BlockPool) -> Result<(), Error> {
        let mut memory = vec![0_u8; BYTES + BLOCK];
        let start = memory.as_ptr().align_offset(BLOCK);
        resource.prepared = Prepared {
            address: memory.as_mut_ptr().wrapping_add(start),
            length: BYTES as u32,
            offset: self.1,
            ..Prepared::new(Opcode::Read)
        };
        resource.set_file(&self.0);
        resource.owned = Some(memory);
        Ok(())
    }

    fn finish(&mut self, outcome: Outcome, resource: &mut Resource) -> Self::Output {
        (outcome.result, resource.owned.take().unwrap())
    }
}

fn named(builder: Builder) -> Builder {
    builder.name("ending").workers(2).loops(1)
}

/// What takes no end by itself.
fn endless() -> impl Request<Output = Outcome> {
    let prepare = |resource: &mut Resource, _: &_| {
        resource.prepared = Prepared { offset: 1 << 50, ..Prepared::new(Opcode::Timeout) };
        Ok(())
    };
    // SAFETY: it names no memory.
    unsafe { describe(prepare) }
}

/// Opens without asking first what it is; on a thread, since a ring by itself does not wait for the other end.
fn open_as_it_is(path: PathBuf) -> impl Request<Output = Outcome> {
    let prepare = move |resource: &mut Resource, blocks: &_| {
        let flags = op_flag::ASYNC;
        resource.prepared = Prepared { fd: libc::AT_FDCWD, flags, ..Prepared::new(Opcode::OpenAt) };
        resource.set_path(PathRole::First, path.as_os_str().as_encoded_bytes(), blocks)
    };
    // SAFETY: the path is copied.
    unsafe { describe(prepare) }
}

#[test]
#[allow(clippy::print_stderr, reason = "what is skipped is printed with its reason")]
fn direct_reads_in_flight_at_the_end_write_into_nothing_that_was_freed() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("wakering-direct-{}", std::process::id()));
    std::fs::write(&path, vec![0x55; 64 * BYTES]).unwrap();
    let mut open = std::fs::OpenOptions::new();
    let direct = open.read(true).custom_flags(libc::O_DIRECT).open(&path);
    std::fs::remove_file(&path).unwrap();
    let Ok(direct) = direct else { return eprintln!("SKIP: no O_DIRECT on {path:?}") };
    let file = Arc::new(Descriptor::new(direct.into()));
    for builder in personalities() {
        for deadline in [LONG, Duration::ZERO] {
            let runtime = named(builder.clone()).drain_deadline(deadline).build().unwrap();
            let ops = runtime.scheduler().loops()[0].clone();
            for place in 0..64 {
                let (file, ops) = (file.clone(), ops.clone());
                let read = async move { ops.run(ReadDirect(file, place * BYTES as u64)).await };
                runtime.spawn(read).detach();
            }
            let ended = runtime.shutdown(LONG);
            assert_eq!((ended.tasks_left, ended.workers_left), (0, 0));
            assert_eq!(ended.ops_left, ops.left());
            assert!(deadline.is_zero() || ended.ops_left == 0, "{ended:?}");
            // What was freed comes again.
            let filled: Vec<_> = (0..64).map(|_| vec![0xAA_u8; BYTES + BLOCK]).collect();
            std::thread::sleep(Duration::from_millis(20));
            assert!(filled.iter().flatten().all(|&byte| byte == 0xAA), "{ended:?}");
        }
    }
}

#[test]
fn ops_of_many_answers_and_all_else_end_with_the_runtime() {
    let _alone = alone();
    for builder in personalities() {
        let before = descriptors();
        for _ in 0..5 {
            let runtime = named(builder.clone()).build().unwrap();
            let (ready, is_ready) = channel();
            for _ in 0..8 {
                let ready = ready.clone();
                let waits = async move {
                    let (client, server) = pair().await;
                    let listener = TcpListener::bind(ANYWHERE).unwrap();
                    let socket = UdpSocket::bind(ANYWHERE).unwrap();
                    let mut read = pin!(server.read(Vec::with_capacity(8)));
                    let mut accept = pin!(listener.accept());
                    let mut receive = pin!(socket.recv(Vec::with_capacity(8)));
                    let mut told = false;
                    poll_fn(|cx| {
                        assert!(read.as_mut().poll(cx).is_pending());
                        assert!(accept.as_mut().poll(cx).is_pending());
                        assert!(receive.as_mut().poll(cx).is_pending());
                        if !std::mem::replace(&mut told, true) {
                            ready.send(()).unwrap();
                        }
                        Poll::<()>::Pending
                    })
                    .await;
                    drop(client);
                };
                runtime.spawn(waits).detach();
            }
            (0..8).for_each(|_| is_ready.recv_timeout(LONG).unwrap());
            let ended = runtime.shutdown(LONG);
            assert_eq!(ended, wakering_core::scheduler::Shutdown::default());
            assert_eq!(threads("ending"), 0);
        }
        assert_eq!(descriptors(), before);
    }
}

/// A FIFO that nobody writes to: on a thread of a pool, or of the kernel's.
#[test]
fn a_deadline_ends_what_hangs_in_a_system_call() {
    let _alone = alone();
    let path = std::env::temp_dir().join(format!("wakering-fifo-{}", std::process::id()));
    let name = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: a path with its NUL.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    for builder in personalities() {
        let before = descriptors();
        let deadline = Duration::from_millis(500);
        let runtime = named(builder).drain_deadline(deadline).build().unwrap();
        let ops = runtime.scheduler().loops()[0].clone();
        let (fifo, begun) = (path.clone(), ops.clone());
        runtime.spawn(async move { begun.run(open_as_it_is(fifo)).await }).detach();
        while ops.in_flight() == 0 {
            std::thread::yield_now();
        }
        let ended = runtime.shutdown(LONG);
        assert_eq!((ended.tasks_left, ended.workers_left, ended.ops_left), (0, 0, 0));
        // Which keeps the bell.
        drop(ops);
        assert_eq!((threads("ending"), descriptors()), (0, before));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn whoever_awaits_an_op_on_another_thread_is_told_that_the_runtime_is_gone() {
    let _alone = alone();
    for builder in personalities() {
        let runtime = named(builder).build().unwrap();
        let ops = runtime.scheduler().loops()[0].clone();
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let ops = ops.clone();
                std::thread::spawn(move || block_on(ops.run(endless())))
            })
            .collect();
        while ops.in_flight() < 4 {
            std::thread::yield_now();
        }
        drop(runtime);
        for thread in waiting {
            match thread.join().unwrap() {
                Ok(outcome) => assert_eq!(outcome.result, -libc::ECANCELED),
                Err(error) => assert_eq!(error, Error::Kind(ErrorKind::Closed)),
            }
        }
        let late = block_on(ops.run(endless()));
        assert_eq!(late.unwrap_err(), Error::Kind(ErrorKind::Closed));
    }
}

/// Polls each op once.
async fn begin<R: Request>(ops: &Ops, requests: Vec<R>) {
    let mut begun: Vec<_> =
        requests.into_iter().map(|request| Box::pin(ops.start(request))).collect();
    poll_fn(|cx| {
        for op in &mut begun {
            let _begun = op.as_mut().poll(cx);
        }
        Poll::Ready(())
    })
    .await;
}

#[test]
fn ops_that_other_threads_drop_while_their_loop_ends_are_dropped_in_peace() {
    let _alone = alone();
    for builder in personalities() {
        let before = descriptors();
        for _ in 0..50 {
            let runtime = named(builder.clone()).build().unwrap();
            let ops = runtime.scheduler().loops()[0].clone();
            let (ready, is_ready) = channel();
            let dropping = std::thread::spawn(move || {
                for round in 0..200 {
                    block_on(begin(&ops, (0..8).map(|_| endless()).collect()));
                    if round == 10 {
                        ready.send(()).unwrap();
                    }
                }
            });
            is_ready.recv_timeout(LONG).unwrap();
            drop(runtime);
            dropping.join().unwrap();
        }
        assert_eq!(descriptors(), before);
    }
}
