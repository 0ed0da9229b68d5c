//! The peers, each in a file of its own: what its users would write, in the fastest reasonable way.

pub mod compio;
pub mod glommio;
pub mod kimojio;
pub mod monoio;
pub mod spargio;
pub mod tokio;
pub mod tokio_uring;
