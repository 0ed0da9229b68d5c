//! The side of a socket that sends.

use super::zero_copy::{Sent, ZeroCopy, is_refused};
use crate::buf::{Buf, BufResult};
use crate::op;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wakering_core::descriptor::Descriptor;

#[cfg(feature = "futures-io")]
mod background;
mod request;

use request::Send;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Sender {
    file: Arc<Descriptor>,
    busy: AtomicBool,
    #[cfg(feature = "futures-io")]
    background: background::Background,
}

/// One task at a time has a side of a socket, until it drops this.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    pub(super) fn take(busy: &'a AtomicBool) -> io::Result<Self> {
        // Acquire: with the Release of the one before.
        match busy.swap(true, Ordering::Acquire) {
            false => Ok(Self(busy)),
            true => Err(io::Error::from_raw_os_error(libc::EBUSY)),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Release: with the Acquire of the next one.
        self.0.store(false, Ordering::Release);
    }
}

impl Sender {
    pub(super) const fn new(file: Arc<Descriptor>) -> Self {
        Self {
            file,
            busy: AtomicBool::new(false),
            #[cfg(feature = "futures-io")]
            background: background::Background::new(),
        }
    }

    /// For one write, until it is dropped: behind what was taken along before. EBUSY where somebody else
    /// writes; what went wrong with those bytes.
    async fn turn(&self) -> io::Result<Turn<'_>> {
        let turn = Turn::take(&self.busy)?;
        #[cfg(feature = "futures-io")]
        std::future::poll_fn(|cx| self.poll_flush(cx)).await?;
        Ok(turn)
    }

    pub(super) async fn write<B: Buf>(&self, buffer: B) -> BufResult<usize, B> {
        match self.turn().await {
            Ok(_turn) => {
                let (sent, memory) = self.send(buffer.into_vec(), 0, 0).await;
                (sent, B::from_vec(memory))
            }
            Err(error) => (Err(error), buffer),
        }
    }

    pub(super) async fn write_all<B: Buf>(&self, buffer: B) -> BufResult<(), B> {
        let _turn = match self.turn().await {
            Ok(turn) => turn,
            Err(error) => return (Err(error), buffer),
        };
        let mut memory = buffer.into_vec();
        let mut done = 0;
        while done < memory.len() {
            let sent;
            (sent, memory) = self.send(memory, done, libc::MSG_WAITALL).await;
            match sent {
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), B::from_vec(memory)),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (Err(error), B::from_vec(memory)),
            }
        }
        (Ok(()), B::from_vec(memory))
    }

    pub(super) async fn send_zc<B: Buf>(&self, buffer: B) -> BufResult<Sent, B> {
        let _turn = match self.turn().await {
            Ok(turn) => turn,
            Err(error) => return (Err(error), buffer),
        };
        let mut request = Send::new(self.file.clone(), buffer.into_vec(), 0, 0);
        let (sent, memory) = match op::run(ZeroCopy(&mut request)).await {
            Ok(answer) => answer,
            Err(error) => (Err(error), request.take_memory()),
        };
        if !is_refused(&sent) {
            return (sent, B::from_vec(memory));
        }
        let (sent, memory) = self.send(memory, 0, 0).await;
        (sent.map(Sent::plainly), B::from_vec(memory))
    }

    async fn send(&self, memory: Vec<u8>, start: usize, flags: i32) -> BufResult<usize, Vec<u8>> {
        let mut request = Send::new(self.file.clone(), memory, start, flags);
        match op::run(&mut request).await {
            Ok(answer) => answer,
            Err(error) => (Err(error), request.take_memory()),
        }
    }
}
