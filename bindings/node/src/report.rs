//! What a port tells about itself, as plain objects.

use napi_derive::napi;
use wakering::{Lane, SqpollReport, Transfers};
use wakering_core::policy;

/// One feature of io_uring.
#[napi(object)]
#[derive(Debug)]
pub struct FeatureObject {
    /// Its name.
    pub name: String,
    /// Whether the kernel offers it here.
    pub available: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Which driver carries the ops, why, and what it can do.
#[napi(object)]
#[derive(Debug)]
pub struct CapabilitiesObject {
    /// `uring` or `poll`.
    pub driver: String,
    /// Why this one.
    pub reason: String,
    /// Features of io_uring, yes or why not.
    pub features: Vec<FeatureObject>,
}

/// The counters. Numbers are exact up to 2^53.
#[napi(object)]
#[derive(Debug)]
pub struct MetricsObject {
    /// Ops under way.
    pub in_flight: f64,
    /// Open files.
    pub open_handles: f64,
    /// System calls of the driver to publish or to wait.
    pub enters: f64,
    /// Ops completed, by opcode.
    pub completed: Vec<f64>,
    /// Ops answered on the calling thread, by the loop, by the worker loop, by the pool.
    pub by_lane: Vec<f64>,
    /// Cached attempts that answered, by opcode.
    pub cached_hits: Vec<f64>,
    /// Cached attempts that had to go another way, by opcode.
    pub cached_misses: Vec<f64>,
    /// Small files that came whole with their open.
    pub contents: f64,
    /// Files that got a place in the ring's table.
    pub fixed_files: f64,
    /// Reads and writes that left the thread: in registered, bounced and the runtime's own memory.
    pub transfers: Vec<f64>,
    /// Looks for what the SQ thread answers that saw it come; in vain; times that it was woken.
    pub sqpoll: Vec<f64>,
    /// What an SQ thread does whose idle time is chosen by itself.
    pub sqpoll_steered: Option<SqpollObject>,
    /// Looks for what a thread of the pool answers that saw it come; in vain.
    pub pool_looks: Vec<f64>,
    /// What the lane goes by.
    pub thresholds: ThresholdsObject,
    /// Descriptors that named no free slot.
    pub malformed: f64,
    /// Bytes that reads brought.
    pub bytes_read: f64,
    /// Bytes that writes took.
    pub bytes_written: f64,
    /// Cancels asked for.
    pub cancels: f64,
    /// Cancelled ops that ended as cancelled.
    pub cancels_won: f64,
    /// Cancelled ops that had completed first.
    pub cancels_lost: f64,
    /// Ops that had not started when they were cancelled.
    pub withdrawn: f64,
    /// Ops that found a queue or table full.
    pub busy: f64,
    /// Descriptors that were closed because nobody waited for them any more.
    pub orphans_closed: f64,
}

/// An SQ thread whose idle time is chosen by itself.
#[napi(object)]
#[derive(Debug)]
pub struct SqpollObject {
    /// Its thread id, where it is known.
    pub thread: Option<u32>,
    /// Its CPU.
    pub cpu: Option<u32>,
    /// `sq-thread` or `plain`.
    pub route: String,
    /// Milliseconds that it looks for work before it sleeps.
    pub idle_ms: u32,
    /// Loops that it serves.
    pub loops: u32,
    /// Times that it went to sleep.
    pub sleeps: Option<f64>,
    /// Times that a loop woke it.
    pub wakeups: f64,
    /// The share of its time that was work.
    pub duty: Option<f64>,
    /// The last decisions with their reasons.
    pub decisions: Vec<String>,
    /// What could not be had.
    pub warning: Option<String>,
}

impl From<SqpollReport> for SqpollObject {
    fn from(report: SqpollReport) -> Self {
        let duty = report.duty();
        Self {
            thread: report.thread,
            cpu: report.cpu,
            route: report.route.name().into(),
            idle_ms: report.idle_ms,
            loops: report.rings as u32,
            sleeps: report.sleeps.map(|sleeps| sleeps as f64),
            wakeups: report.wakeups as f64,
            duty,
            decisions: report.decisions.iter().map(ToString::to_string).collect(),
            warning: report.warning.map(|warning| warning.to_string()),
        }
    }
}

/// The numbers that a lane's choices depend on.
#[napi(object)]
#[derive(Debug)]
pub struct ThresholdsObject {
    /// Bytes from which on a transfer goes to the worker loop.
    pub worker_bytes_min: u32,
    /// Bytes up to which a read is tried on the calling thread.
    pub cached_read_bytes_max: u32,
    /// Transfers after which a file gets a place in the ring's table.
    pub fixed_file_transfers: u32,
    /// Nanoseconds of the longest look for what an SQ thread answers.
    pub spin_ns_max: f64,
    /// Ops at a time from which on a thread of the pool that is awake takes most stats and small files.
    pub shared_min: u32,
    /// As many where it sleeps.
    pub shared_min_asleep: u32,
    /// This thread keeps one of so many.
    pub shared_of: u32,
}

const fn thresholds() -> ThresholdsObject {
    ThresholdsObject {
        worker_bytes_min: policy::WORKER_BYTES_MIN,
        cached_read_bytes_max: policy::CACHED_READ_BYTES_MAX,
        fixed_file_transfers: policy::FIXED_FILE_TRANSFERS,
        spin_ns_max: policy::SPIN_NS_MAX as f64,
        shared_min: policy::SHARED_MIN as u32,
        shared_min_asleep: policy::SHARED_MIN_ASLEEP as u32,
        shared_of: policy::SHARED_OF,
    }
}

/// Counters as JavaScript has them.
fn numbers(counters: &[u64]) -> Vec<f64> {
    counters.iter().map(|&count| count as f64).collect()
}

pub(crate) fn capabilities(lane: &Lane) -> CapabilitiesObject {
    let found = lane.capabilities();
    let features = found.features.into_iter().map(|feature| FeatureObject {
        name: feature.name,
        available: feature.available,
        reason: feature.reason,
    });
    CapabilitiesObject {
        driver: found.driver.to_string(),
        reason: found.reason,
        features: features.collect(),
    }
}

pub(crate) fn metrics(lane: &mut Lane) -> MetricsObject {
    let enters = lane.enters() as f64;
    let ring = lane.ring_counters().unwrap_or_default();
    let counters = lane.metrics();
    let pool_looks = numbers(&lane.pool_looks());
    let Transfers { registered, bounced, owned } = counters.transfers;
    debug_assert_eq!(counters.by_lane.len(), policy::Lane::COUNT);
    MetricsObject {
        in_flight: lane.in_flight() as f64,
        open_handles: lane.open_handles() as f64,
        enters,
        completed: numbers(&counters.completed),
        by_lane: numbers(&counters.by_lane),
        cached_hits: numbers(&counters.cached_hits),
        cached_misses: numbers(&counters.cached_misses),
        contents: counters.contents as f64,
        fixed_files: counters.fixed_files as f64,
        transfers: numbers(&[registered, bounced, owned]),
        sqpoll: numbers(&[ring.spins_hit, ring.spins_missed, ring.wakeups]),
        sqpoll_steered: lane.sqpoll_report().map(SqpollObject::from),
        pool_looks,
        thresholds: thresholds(),
        malformed: counters.malformed as f64,
        bytes_read: counters.bytes_read as f64,
        bytes_written: counters.bytes_written as f64,
        cancels: counters.cancels as f64,
        cancels_won: counters.cancels_won as f64,
        cancels_lost: counters.cancels_lost as f64,
        withdrawn: counters.withdrawn as f64,
        busy: counters.busy as f64,
        orphans_closed: counters.orphans_closed as f64,
    }
}
