//! The peers, each in a file of its own: what its users would write, nothing tuned away.

pub mod async_executor;
pub mod glommio;
pub mod kimojio;
pub mod monoio;
pub mod spargio;
pub mod tokio;
