//! What every driver has to do, tested against the real kernel: files, streams, timers, cancels.
//!
//! No test of this crate: a driver's crate takes it in with `#[path]` and names its driver once,
//!
//! ```ignore
//! #[path = "../../core/tests/conformance/mod.rs"]
//! mod conformance;
//! conformance::suite!(make);   // fn make(home: Arc<Home>) -> Result<D, impl Display>
//! ```
//!
//! and gets one `#[test]` per behaviour. Beside it, `matrix` looks at every op in the same seven
//! situations. What a driver cannot do is skipped with a printed reason:
//! the runtime sends such ops to the pool of threads.

pub(crate) mod cancel;
pub(crate) mod files;
#[allow(dead_code, reason = "the matrix uses the rest of it")]
pub(crate) mod lane;
pub(crate) mod paths;
pub(crate) mod streams;
pub(crate) mod timers;
pub(crate) mod volume;

/// One `#[test]` for each behaviour, with a fresh lane and a fresh folder.
macro_rules! suite {
    ($make:path) => {
        conformance::suite!(@tests $make;
            files: [
                reads_what_it_wrote_at_any_position,
                reads_on_from_the_files_own_position,
                reads_and_writes_several_segments,
                changes_the_length_and_reserves_space,
                opens_as_the_flags_say,
                every_descriptor_closes_on_exec,
                tells_the_metadata_of_paths_links_and_handles,
                reads_into_memory_of_the_runtime,
                refuses_what_the_kernel_refuses
            ];
            paths: [
                makes_renames_links_and_removes,
                keeps_to_the_directory_of_a_handle,
                takes_paths_of_any_length_and_any_bytes,
                lists_directories,
                resolves_links,
                checks_permissions,
                copies_files
            ];
            streams: [
                a_read_waits_for_bytes,
                reads_of_one_pipe_share_its_bytes,
                a_write_waits_for_room,
                ends_are_told_apart,
                a_fifo_is_a_stream_too,
                status_flags_stay_as_they_were,
                tells_which_events_are_ready
            ];
            timers: [
                end_with_etime_in_the_order_of_their_time,
                a_cancelled_timer_ends_at_once,
                a_turn_without_work_ends_when_its_time_is_over
            ];
            cancel: [
                an_op_that_was_not_published_is_withdrawn,
                a_cancelled_read_takes_no_byte,
                every_race_has_one_outcome,
                a_blocked_open_of_a_fifo_can_be_given_up,
                draining_ends_what_waits
            ];
            volume: [
                many_ops_go_through_few_slots,
                the_bell_ends_a_turn,
                the_descriptor_to_poll_is_readable_when_there_is_something,
                completions_beyond_the_limit_of_a_turn_are_kept
            ];
        );
    };
    (@tests $make:path; $($group:ident: [$($name:ident),*];)*) => {
        $($(
            #[test]
            fn $name() {
                let Some(mut lane) = conformance::lane::Lane::new(stringify!($name), $make) else {
                    return;
                };
                conformance::$group::$name(&mut lane);
                lane.end();
            }
        )*)*
    };
}
pub(crate) use suite;
