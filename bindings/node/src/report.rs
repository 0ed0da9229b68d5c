//! What a port tells about itself, as plain objects.

use napi_derive::napi;
use wakering::Lane;
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
    /// Cached attempts that had to go another way.
    pub cached_misses: f64,
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
    let counters = lane.metrics();
    debug_assert_eq!(counters.by_lane.len(), policy::Lane::COUNT);
    MetricsObject {
        in_flight: lane.in_flight() as f64,
        open_handles: lane.open_handles() as f64,
        enters,
        completed: counters.completed.iter().map(|&count| count as f64).collect(),
        by_lane: counters.by_lane.iter().map(|&count| count as f64).collect(),
        cached_misses: counters.cached_misses as f64,
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
