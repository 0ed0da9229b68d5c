//! Cancelling ops and getting the truth: what was done is told, and buffers come back.
//!
//! An op that is dropped is cancelled, and whatever it did is undone or kept for the next one: a stream's
//! bytes are. Who wants the buffer back, or to know whether the write was done, asks instead of dropping:
//!
//! ```
//! use std::time::Duration;
//! use wakering::Runtime;
//! use wakering::cancel::{CancelToken, Ended, with_cancel};
//! use wakering::net::UdpSocket;
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = Runtime::builder().build_local()?;
//! runtime.block_on(async {
//!     let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
//!     let token = CancelToken::new();
//!     let late = token.clone();
//!     wakering::task::spawn_local(async move {
//!         wakering::time::sleep(Duration::from_millis(1)).await;
//!         late.cancel();
//!     })
//!     .detach();
//!     let received = with_cancel(&token, socket.recv(Vec::with_capacity(64))).await;
//!     let Ended::Cancelled(buffer) = Ended::from(received) else { panic!("nothing came") };
//!     assert_eq!(buffer.capacity(), 64);
//!     Ok(())
//! })
//! # }
//! ```

#![forbid(unsafe_code)]

use crate::buf::BufResult;
use std::io;
use wakering_core::scheduler::Drain;
pub use wakering_core::scheduler::{CancelToken, is_cancelled, with_cancel};

/// What an op came to that may have been cancelled.
#[derive(Debug)]
pub enum Ended<T, B> {
    /// It was not done. The buffer is as it was.
    Cancelled(B),
    /// It was done, or went wrong, before the cancel reached it.
    Completed(io::Result<T>, B),
}

impl<T, B> From<BufResult<T, B>> for Ended<T, B> {
    fn from((result, buffer): BufResult<T, B>) -> Self {
        match result {
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Self::Cancelled(buffer),
            result => Self::Completed(result, buffer),
        }
    }
}

/// Drops something (a future, a socket, a file) and waits until its ops that are in flight have ended: then
/// what they borrowed is free, and descriptors that only they kept open are closed.
///
/// Safe to cancel: it is dropped by the first poll, and what remains ends by itself.
pub async fn drop_and_drain<T>(value: T) {
    let drain = Drain::new();
    drain.hold(async move { drop(value) }).await;
    drain.over().await;
}
