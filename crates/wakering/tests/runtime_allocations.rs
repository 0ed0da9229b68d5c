//! Ops through the runtime allocate nothing: not to start, to wake, to cancel, to drop, with and without a
//! ring.

use std::sync::Arc;
use wakering::LocalRuntime;
use wakering::cancel::{CancelToken, with_cancel};
use wakering::fs::File;
use wakering::net::TcpStream;
use wakering::task::yield_now;
use wakering_core::abi::Opcode;
use wakering_core::descriptor::Descriptor;
use wakering_core::resource::{Prepared, Resource};
use wakering_core::scheduler::{Nop, Ops, Request, describe};
use wakering_core::slot::Outcome;

#[path = "support/around.rs"]
mod around;
#[path = "../../core/tests/support/counting.rs"]
mod counting;
#[path = "support/drivers.rs"]
mod drivers;

use around::{glance, pair};
use counting::allocations;
use drivers::personalities;

const ROUNDS: u64 = 500;

struct Used {
    ops: Ops,
    one: TcpStream,
    other: TcpStream,
    file: File,
    /// Nothing ever comes there.
    silent: Arc<Descriptor>,
    token: CancelToken,
}

async fn used(ops: Ops) -> Used {
    let (one, other) = pair().await;
    let (silent, keeps_open) = std::os::unix::net::UnixStream::pair().unwrap();
    std::mem::forget(keeps_open);
    let silent = Arc::new(Descriptor::new(silent.into()));
    let file = File::open("/proc/self/exe").await.unwrap();
    Used { ops, one, other, file, silent, token: CancelToken::new() }
}

/// Waits for the socket, and names no memory.
fn wait_at(file: &Arc<Descriptor>) -> impl Request<Output = Outcome> {
    let file = file.clone();
    let prepare = move |resource: &mut Resource, _: &_| {
        resource.prepared =
            Prepared { op_flags: libc::POLLIN as u32, ..Prepared::new(Opcode::PollAdd) };
        resource.set_file(&file);
        Ok(())
    };
    // SAFETY: it names no memory; the resource keeps the file open.
    unsafe { describe(prepare) }
}

/// One of each kind. The buffers go round.
async fn round(used: &Used, memory: &mut [Vec<u8>; 2]) {
    used.ops.run(Nop).await.unwrap();
    // Dropped before the loop has begun with it, and in flight.
    assert!(glance(1, used.ops.start(wait_at(&used.silent))).await.is_none());
    assert!(glance(200, used.ops.start(wait_at(&used.silent))).await.is_none());
    let waiting = used.ops.start(wait_at(&used.silent));
    used.token.reset();
    let cancelled = glance(1, with_cancel(&used.token, waiting)).await;
    assert!(cancelled.is_none());
    let [out, back] = memory;
    let sent;
    (sent, *out) = used.one.write(std::mem::take(out)).await;
    assert_eq!(sent.unwrap(), 64);
    let read;
    (read, *back) = used.other.read_exact(std::mem::take(back)).await;
    read.unwrap();
    let read;
    (read, *back) = used.file.read_at(std::mem::take(back), 0).await;
    assert_eq!(read.unwrap(), 64);
    used.token.cancel();
    let refused;
    (refused, *back) = with_cancel(&used.token, used.file.read_at(std::mem::take(back), 0)).await;
    assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    let _others = yield_now().await;
}

fn counted(runtime: &LocalRuntime) -> u64 {
    let ops = runtime.scheduler().ops().unwrap().clone();
    runtime.block_on(async {
        let used = used(ops).await;
        let mut memory = [vec![7; 64], Vec::with_capacity(64)];
        for _ in 0..ROUNDS {
            round(&used, &mut memory).await;
        }
        let before = allocations();
        for _ in 0..ROUNDS {
            round(&used, &mut memory).await;
        }
        allocations() - before
    })
}

#[test]
fn f19_f24_ops_that_start_wake_are_cancelled_and_dropped_allocate_nothing() {
    let before = allocations();
    drop(std::hint::black_box(Box::new(7_u64)));
    assert_eq!(allocations() - before, 1, "this thread's are counted");
    for builder in personalities() {
        let runtime = builder.build_local().unwrap();
        assert_eq!(counted(&runtime), 0, "in {ROUNDS} rounds on {:?}", runtime.capabilities());
    }
}
