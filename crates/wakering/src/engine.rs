//! Which driver a lane gets, and why.

#![forbid(unsafe_code)]

use crate::config::{Config, DriverChoice, SqpollConfig};
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use wakering_core::abi::ErrorKind;
use wakering_core::{Driver, Error, Home};
use wakering_poll_loop::{BlockingPool, PollConfig, PollDriver};
use wakering_uring_loop::{
    Counters, Feature, Idle, Refused, SharedSqpoll, Sqpoll, SqpollReport, SwitchingDriver,
    UringConfig, UringDriver,
};

/// A driver: one of those that talk to a kernel.
#[derive(Debug)]
pub(crate) enum Engine {
    /// A ring.
    Uring(Box<UringDriver>),
    /// Two rings, one of them over an SQ thread that is steered.
    Steered(Box<SwitchingDriver>),
    /// Readiness and threads.
    Poll(Box<PollDriver>),
}

/// One thing that a kernel may or may not offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureReport {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub available: bool,
    /// Why not, where it is not.
    pub reason: Option<String>,
}

/// Which driver carries a lane's ops, why, and what it can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// `uring` or `poll`.
    pub driver: &'static str,
    /// Why this one.
    pub reason: String,
    /// Every feature of io_uring that was asked for, yes or why not. Empty where no ring was tried.
    pub features: Vec<FeatureReport>,
}

impl Engine {
    pub(crate) fn new(
        config: &Config,
        home: &Arc<Home>,
        pool: &Arc<BlockingPool>,
    ) -> Result<(Self, Capabilities), (Error, String)> {
        let refused = match config.driver {
            DriverChoice::Poll => None,
            DriverChoice::Auto | DriverChoice::Uring => match open_ring(config, home) {
                Ok(ring) => return Ok((ring, ring_capabilities(config.driver))),
                // A wish that cannot be met, for a ring or of one, is told and not passed over.
                Err(refused)
                    if config.driver == DriverChoice::Uring || refused.option.is_some() =>
                {
                    return Err((Error::Os(refused.errno), refused.to_string()));
                }
                Err(refused) => Some(refused),
            },
        };
        let poll_config = PollConfig { pool: Some(pool.clone()), ..PollConfig::default() };
        let poll = PollDriver::new(poll_config, home.clone())
            .map_err(|error| (error, error.to_string()))?;
        let capabilities = poll_capabilities(refused);
        Ok((Self::Poll(Box::new(poll)), capabilities))
    }

    pub(crate) fn driver(&mut self) -> &mut dyn Driver {
        match self {
            Self::Uring(ring) => &mut **ring,
            Self::Steered(rings) => &mut **rings,
            Self::Poll(poll) => &mut **poll,
        }
    }

    /// What the ring's kernel has or has not: asked of it now, which takes about a millisecond and
    /// starts an SQ thread for it. Empty without a ring.
    pub(crate) fn features(&self) -> Vec<FeatureReport> {
        let features = match self {
            Self::Uring(ring) => ring.features(),
            Self::Steered(rings) => rings.features(),
            Self::Poll(_) => return Vec::new(),
        };
        let report = |feature: Feature| FeatureReport {
            name: feature.name.to_string(),
            available: feature.available,
            reason: feature.reason,
        };
        features.into_iter().map(report).collect()
    }

    pub(crate) const fn is_ring(&self) -> bool {
        !matches!(self, Self::Poll(_))
    }

    /// What the rings have done, where there are any.
    pub(crate) fn counters(&self) -> Option<Counters> {
        match self {
            Self::Uring(ring) => Some(ring.counters()),
            Self::Steered(rings) => Some(rings.counters()),
            Self::Poll(_) => None,
        }
    }

    /// What a steered SQ thread does.
    pub(crate) fn sqpoll_report(&self) -> Option<SqpollReport> {
        match self {
            Self::Steered(rings) => Some(rings.report()),
            Self::Uring(_) | Self::Poll(_) => None,
        }
    }

    /// See [`UringDriver::skip_look`].
    pub(crate) fn skip_look(&mut self) {
        match self {
            Self::Uring(ring) => ring.skip_look(),
            Self::Steered(rings) => rings.skip_look(),
            Self::Poll(_) => {}
        }
    }

    /// See [`UringDriver::spare_the_bell`].
    pub(crate) fn spare_the_bell(&mut self) {
        match self {
            Self::Uring(ring) => ring.spare_the_bell(),
            Self::Steered(rings) => rings.spare_the_bell(),
            Self::Poll(_) => {}
        }
    }

    /// See [`UringDriver::register_file`].
    pub(crate) fn register_file(&mut self, fd: RawFd) -> Result<u32, Error> {
        match self {
            Self::Uring(ring) => ring.register_file(fd),
            Self::Steered(rings) => rings.register_file(fd),
            Self::Poll(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    /// See [`UringDriver::unregister_file`].
    pub(crate) fn unregister_file(&mut self, place: u32) -> Result<(), Error> {
        match self {
            Self::Uring(ring) => ring.unregister_file(place),
            Self::Steered(rings) => rings.unregister_file(place),
            Self::Poll(_) => Err(ErrorKind::Unsupported.into()),
        }
    }
}

fn open_ring(config: &Config, home: &Arc<Home>) -> Result<Engine, Refused> {
    let sqpoll = config.sqpoll.map(sqpoll_of);
    let ring = UringConfig { sqpoll, ..UringConfig::inline(config.slots) };
    match config.sqpoll.map(|sqpoll| sqpoll.idle) {
        Some(Idle::Auto(steering)) => {
            let rings = SwitchingDriver::new(ring, home.clone(), steering)?;
            Ok(Engine::Steered(Box::new(rings)))
        }
        Some(Idle::Millis(_)) | None => {
            Ok(Engine::Uring(Box::new(UringDriver::new(ring, home.clone())?)))
        }
    }
}

/// Its features are looked for when somebody asks.
pub(crate) fn ring_capabilities(choice: DriverChoice) -> Capabilities {
    let reason = match choice {
        DriverChoice::Uring => "io_uring was asked for, and the kernel allows it",
        _ => "the kernel allows io_uring",
    };
    Capabilities { driver: "uring", reason: reason.to_string(), features: Vec::new() }
}

/// Why there is no ring.
pub(crate) fn poll_capabilities(refused: Option<Refused>) -> Capabilities {
    let (reason, features) = match refused {
        None => ("the poll driver was asked for".to_string(), Vec::new()),
        Some(refused) => {
            let feature = FeatureReport {
                name: "io_uring".into(),
                available: false,
                reason: Some(refused.to_string()),
            };
            (format!("io_uring is refused: {refused}"), vec![feature])
        }
    };
    Capabilities { driver: "poll", reason, features }
}

/// The kernel threads of this process that lanes share, by CPU. Process-wide, because the kernel
/// shares them so; a lane holds its thread by the `Arc`, and the last one ends it.
static SHARED: Mutex<Option<HashMap<Option<u32>, Weak<SharedSqpoll>>>> = Mutex::new(None);

fn sqpoll_of(config: SqpollConfig) -> Sqpoll {
    let idle_ms = match config.idle {
        Idle::Millis(idle_ms) => idle_ms,
        Idle::Auto(_) => 0,
    };
    let mut sqpoll = Sqpoll { cpu: config.cpu, idle_ms, share: None };
    if config.share {
        let mut guard = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let table = guard.get_or_insert_with(HashMap::new);
        let shared = match table.get(&config.cpu).and_then(Weak::upgrade) {
            Some(shared) => shared,
            None => {
                let shared = SharedSqpoll::new();
                table.insert(config.cpu, Arc::downgrade(&shared));
                shared
            }
        };
        sqpoll.share = Some(shared);
    }
    sqpoll
}
