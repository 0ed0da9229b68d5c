//! Names to addresses.

#![forbid(unsafe_code)]

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use wakering_core::scheduler::cpu_pool::JobOptions;
use wakering_core::task::try_spawn_blocking;

/// The addresses of a name, in the order in which they are to be tried: what the system's resolver says,
/// asked by a thread of the pool, so that it keeps nobody waiting who did not ask.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = wakering::Runtime::builder().build_local()?;
/// let found = runtime.block_on(wakering::net::lookup("127.0.0.1", 80))?;
/// assert_eq!(found, ["127.0.0.1:80".parse().unwrap()]);
/// # Ok(())
/// # }
/// ```
///
/// Cancelled, the question goes on and its answer is thrown away.
///
/// # Errors
///
/// The resolver's: no such name, no server that answers. Unsupported outside of a runtime.
pub async fn lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let asked = name.to_owned();
    let ask = move || (asked.as_str(), port).to_socket_addrs().map(Iterator::collect);
    let job = try_spawn_blocking(JobOptions::default(), ask).map_err(crate::op::io_error)?;
    job.await.map_err(|error| io::Error::other(error.to_string()))?
}
