//! Each transition in each state, by name.

use super::*;

fn spawned(born: Born) -> State {
    let state = State::free();
    state.spawn(born);
    state
}

fn nobody() -> Joiner {
    Joiner { place: std::ptr::null_mut(), generation: 0 }
}

/// Spawned and polled once: Idle.
fn idle() -> State {
    let state = spawned(PLAIN);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.end_poll(false), EndPoll::Idle);
    state
}

#[test]
fn spawn_of_a_free_place_is_scheduled_with_two_references() {
    let state = spawned(PLAIN);
    let look = state.look();
    assert!(look.is_scheduled() && !look.is_complete() && look.is_pooled());
    assert_eq!((look.wakers(), look.generation()), (0, 0));
    assert!(!state.claim());
}

#[test]
fn f6_wake_when_scheduled_adds_no_poll() {
    let state = spawned(PLAIN);
    for _ in 0..100 {
        assert_eq!(state.wake(), Wake::Nothing);
    }
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.end_poll(false), EndPoll::Idle);
}

#[test]
fn f6_wake_while_polled_polls_again() {
    let state = spawned(PLAIN);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.wake(), Wake::Nothing);
    assert_eq!(state.end_poll(false), EndPoll::Again);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.end_poll(false), EndPoll::Idle);
}

#[test]
fn t6_wake_when_idle_enqueues_once() {
    let state = idle();
    assert_eq!(state.wake(), Wake::Enqueue);
    assert_eq!(state.wake(), Wake::Nothing);
}

/// In every state: the queue's entry is SCHEDULED itself and not a reference, so a wake by reference
/// neither adds one nor takes one.
#[test]
fn t8_a_wake_by_reference_counts_nothing() {
    let state = spawned(PLAIN);
    state.add_reference();
    let unchanged = |state: &State| {
        let before = state.look().wakers();
        let _ = state.wake();
        assert_eq!((before, state.look().wakers()), (1, 1));
    };
    unchanged(&state); // Scheduled
    assert_eq!(state.start_poll(), Start::Poll);
    unchanged(&state); // polled
    assert_eq!(state.end_poll(false), EndPoll::Again);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.end_poll(false), EndPoll::Idle);
    unchanged(&state); // Idle
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Handed);
    unchanged(&state); // Complete
    assert!(!state.drop_reference(), "JOIN still holds one");
}

#[test]
fn wake_when_complete_does_nothing() {
    let state = spawned(PLAIN);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Handed);
    assert_eq!(state.wake(), Wake::Nothing);
    assert_eq!(state.abort(), Wake::Nothing);
    assert_eq!(state.joinable(), Joinable::Complete(End::Ready));
    assert!(state.drop_reference());
}

#[test]
fn wake_owned_gives_its_reference_up_in_every_state() {
    let state = idle();
    for _ in 0..3 {
        state.add_reference();
    }
    assert_eq!(state.wake_owned(), WakeOwned::Enqueue);
    assert_eq!(state.wake_owned(), WakeOwned::Nothing);
    assert_eq!(state.drop_join(), DropJoin::Nothing);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Unobserved);
    assert!(!state.drop_reference());
    assert_eq!(state.wake_owned(), WakeOwned::Free);
}

#[test]
fn abort_in_every_state_ends_in_cancel() {
    let scheduled = spawned(PLAIN);
    assert_eq!(scheduled.abort(), Wake::Nothing);
    assert_eq!(scheduled.start_poll(), Start::Cancel);
    let polled = spawned(PLAIN);
    assert_eq!(polled.start_poll(), Start::Poll);
    assert_eq!(polled.abort(), Wake::Nothing);
    assert_eq!(polled.end_poll(true), EndPoll::Cancel);
    let idle = idle();
    assert_eq!(idle.abort(), Wake::Enqueue);
    assert_eq!(idle.start_poll(), Start::Cancel);
    assert_eq!(idle.complete(End::Cancelled, nobody), Completed::Handed);
    assert_eq!(idle.joinable(), Joinable::Complete(End::Cancelled));
}

#[test]
fn complete_without_anybody_is_alone() {
    let state = spawned(PLAIN);
    assert_eq!(state.drop_join(), DropJoin::Nothing);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Alone);
    state.free_place();
    assert!(state.look().is_pooled(), "its number is asked for even while it is free");
    assert_eq!(state.look().generation(), 1);
    assert!(state.look().is_complete() && state.claim());
}

#[test]
fn complete_with_a_joiner_gives_the_waker_out_once() {
    let state = spawned(PLAIN);
    assert_eq!(state.joinable(), Joinable::Empty);
    assert_eq!(state.offer_joiner(false, None), Ok(()));
    assert_eq!(state.joinable(), Joinable::Full);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Panicked, nobody), Completed::WakeJoiner);
    assert_eq!(state.withdraw_joiner(), Err(End::Panicked));
    assert_eq!(state.drop_join(), DropJoin::DropOutput(End::Panicked));
    assert!(!state.drop_reference());
    assert!(state.drop_reference());
}

#[test]
fn a_join_handle_that_waits_and_goes_takes_its_waker_along() {
    let state = spawned(PLAIN);
    assert_eq!(state.offer_joiner(false, None), Ok(()));
    assert_eq!(state.withdraw_joiner(), Ok(true));
    assert_eq!(state.offer_joiner(false, None), Ok(()));
    assert_eq!(state.drop_join(), DropJoin::TakeWaker);
    assert!(!state.drop_reference());
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Alone);
}

#[test]
fn a_number_is_good_for_one_generation() {
    let state = idle();
    assert_eq!(state.wake_by_number(1), None);
    assert_eq!(state.wake_by_number(0), Some(Wake::Enqueue));
    assert_eq!(state.wake_by_number(0), Some(Wake::Nothing));
    assert_eq!(state.drop_join(), DropJoin::Nothing);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Alone);
    state.free_place();
    assert_eq!(state.wake_by_number(0), None);
    assert_eq!(state.wake_by_number(1), None, "a free place is nobody's");
    state.spawn(PLAIN);
    assert_eq!(state.wake_by_number(1), Some(Wake::Nothing));
}

#[test]
fn at_home_the_outside_enters_once_and_a_poll_answers_it() {
    let state = spawned(HOMELY);
    assert_eq!(state.wake(), Wake::Enqueue);
    assert_eq!(state.wake(), Wake::Nothing);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.end_poll_at_home(false), EndPoll::Idle);
    assert_eq!(state.arrive(), Arrive::Nothing, "the poll came after the wakes");
    assert_eq!(state.wake(), Wake::Enqueue);
    assert_eq!(state.arrive(), Arrive::Schedule);
}

#[test]
fn at_home_a_wake_while_polled_arrives_afterwards() {
    let state = spawned(HOMELY);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.wake(), Wake::Enqueue);
    assert_eq!(state.end_poll_at_home(false), EndPoll::Idle);
    assert_eq!(state.arrive(), Arrive::Schedule);
}

#[test]
fn at_home_a_task_that_ends_in_the_entry_is_freed_on_arrival() {
    let state = spawned(HOMELY);
    assert_eq!(state.wake(), Wake::Enqueue);
    assert!(state.drop_join_at_home(0) || state.drop_join() == DropJoin::Nothing);
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete(End::Ready, nobody), Completed::Unobserved);
    assert!(!state.drop_reference());
    assert_eq!(state.arrive(), Arrive::Free);
}

#[test]
fn at_home_with_two_references_nothing_is_exchanged() {
    let state = spawned(HOMELY);
    assert_eq!(state.offer_joiner(true, Some(0)), Ok(()));
    assert!(state.look().is_join_inside());
    assert_eq!(state.start_poll(), Start::Poll);
    assert_eq!(state.complete_at_home(End::Ready, 0, nobody), Completed::WakeInside(nobody()));
    assert!(state.drop_reference_at_home(0));
    let detached = spawned(HOMELY);
    assert_eq!(detached.offer_joiner(false, Some(0)), Ok(()));
    assert!(!detached.drop_join_at_home(0), "a waker is to be taken out");
    assert_eq!(detached.withdraw_joiner(), Ok(true));
    assert!(detached.drop_join_at_home(0));
    assert_eq!(detached.start_poll(), Start::Poll);
    assert_eq!(detached.complete_at_home(End::Ready, 0, nobody), Completed::Alone);
}

#[test]
fn at_home_wakers_that_are_kept_inside_are_counted_beside_the_others() {
    let state = spawned(HOMELY);
    state.add_reference_at_home(0);
    state.add_reference_at_home(1);
    assert_eq!(state.look().wakers(), 2);
    // Two inside, and one that may be anywhere.
    state.add_reference_at_home(2);
    assert!(!state.drop_join_at_home(2), "somebody else has one");
    assert!(!state.drop_reference_at_home(2));
    assert!(!state.drop_reference_at_home(1));
    assert!(state.drop_join_at_home(1));
    assert_eq!(state.complete_at_home(End::Ready, 1, nobody), Completed::Unobserved);
    assert!(!state.drop_reference_at_home(0), "the task's own is still there");
    assert!(state.drop_reference_at_home(0));
}

#[test]
fn wakers_are_counted_apart_from_the_rest() {
    let state = spawned(HOMELY);
    state.add_reference();
    assert_eq!(state.wake(), Wake::Enqueue);
    assert_eq!(state.look().wakers(), 1);
    assert!(!state.look().has_join_away() && !state.look().is_join_inside());
    assert_eq!(state.drop_join(), DropJoin::Nothing);
    assert_eq!(state.look().wakers(), 1);
}
