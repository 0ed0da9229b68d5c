//! What this ring's kernel can do: asked for where there is an answer, else tried on an empty ring.

#![forbid(unsafe_code)]

use crate::encode;
use crate::probe::{Refused, errno_of};
use crate::ring::Ring;
use crate::setup::Flags;
use io_uring::Probe;
use io_uring::opcode as kernel;
use io_uring::squeue::Entry;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixDatagram;

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    opcodes: [bool; 256],
    /// Zero, or what cancelling everything at once answered.
    pub(crate) cancel_any: i32,
    /// Zero, or what cancelling by descriptor answered.
    pub(crate) cancel_fd: i32,
    /// Several picked buffers for one completion.
    pub(crate) bundles: bool,
    /// A Send takes an address.
    pub(crate) send_to: bool,
    /// Messages from ring to ring, which complete only where they fail.
    pub(crate) messages: bool,
    /// It was given places of the table of files to choose from.
    pub(crate) chooses: bool,
    /// A chain fails as a whole where one of its entries is bad: without it the kernel stops there,
    /// and starts what lies behind as if it belonged to nothing.
    pub(crate) chains: bool,
}

impl Kernel {
    /// Sends a few harmless entries through an empty ring; the first also tells whether
    /// `io_uring_enter` is allowed at all. `eventfd` is any.
    pub(crate) fn find_out(ring: &mut Ring, flags: Flags, eventfd: RawFd) -> Result<Self, Refused> {
        attempt(ring, &encode::trial::nothing())?;
        let mut opcodes = opcodes_of(ring)?;
        // Nothing is there to be cancelled: ENOENT, or a count of zero, means that it is known.
        let known = |errno| if errno == libc::ENOENT { 0 } else { errno };
        let cancel_any = known(attempt(ring, &encode::trial::cancel_any())?);
        let cancel_fd = known(attempt(ring, &encode::trial::cancel_fd(eventfd))?);
        // That an eventfd is no socket is found out after the entry was found good.
        let send_to = attempt(ring, &encode::trial::send_to(eventfd))? == libc::ENOTSOCK;
        // Linux 5.19 has commands to devices, 6.7 those to sockets, under the same number.
        if opcodes[usize::from(encode::COMMAND)]
            && let Ok(socket) = UnixDatagram::unbound()
            && attempt(ring, &encode::trial::option(socket.as_raw_fd()))? != 0
        {
            opcodes[usize::from(encode::COMMAND)] = false;
        }
        let messages = opcodes[usize::from(kernel::MsgRingData::CODE)]
            && ring.params().is_feature_skip_cqe_on_success();
        let bundles = ring.params().is_feature_recvsend_bundle();
        let chains = flags.has(Flags::SUBMIT_ALL);
        Ok(Self {
            opcodes,
            cancel_any,
            cancel_fd,
            bundles,
            send_to,
            messages,
            chooses: false,
            chains,
        })
    }

    /// Whether it knows, and can carry out, the kernel's opcode of this number.
    pub(crate) fn has(&self, number: u8) -> bool {
        self.opcodes[usize::from(number)]
    }
}

fn opcodes_of(ring: &Ring) -> Result<[bool; 256], Refused> {
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|error| Refused::of(errno_of(&error), "io_uring_register"))?;
    Ok(std::array::from_fn(|number| probe.is_supported(number as u8)))
}

/// Sends one entry, which names no memory that could go away, through an empty ring: the errno that
/// it ended with, or zero.
pub(crate) fn attempt(ring: &mut Ring, entry: &Entry) -> Result<i32, Refused> {
    let refused = |errno| Refused::of(errno, "io_uring_enter");
    encode::trial::push(ring, entry).map_err(|_| refused(libc::EBUSY))?;
    let mut answer = None;
    while answer.is_none() {
        ring.wait(None).map_err(refused)?;
        ring.reap(|cqe| {
            answer = Some(cqe.result);
            true
        });
    }
    Ok(answer.map_or(0, |result| (-result).max(0)))
}
