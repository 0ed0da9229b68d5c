//! Sockets: TCP, UDP and Unix, stream and datagram.
//!
//! A stream's read belongs to the stream and not to the future that asked for it. What arrives lands in
//! memory of the runtime; a future that is dropped (it lost a `select`, it ran into a timeout) cancels
//! nothing and loses nothing: the next read of the stream finds the bytes.
//!
//! One task reads and one writes at a time: another one is refused with EBUSY.
//!
//! What nobody reads stays with the kernel: a stream keeps 64 messages at the most, and a listener as many
//! connections. How many bytes a message has is the sender's choice, up to a buffer of the loop's.

mod address;
mod datagrams;
#[cfg(feature = "futures-io")]
mod futures_io;
mod listener;
mod lookup;
mod received;
mod receiver;
mod sender;
mod socket;
mod tcp;
mod udp;
mod unix;
mod zero_copy;

pub use lookup::lookup;
pub use received::Received;
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
pub use zero_copy::Sent;
