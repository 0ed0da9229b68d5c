use super::*;
use crate::sqpoll::Sqpoll;

/// A kernel that knows only some flags and gives only so much memory.
struct Kernel {
    knows: Flags,
    places_max: u32,
    sqpoll_errno: i32,
    cpus: u32,
    setups: Vec<Attempt>,
}

impl Kernel {
    fn knowing(knows: Flags) -> Self {
        Self { knows, places_max: u32::MAX, sqpoll_errno: 0, cpus: 2, setups: Vec::new() }
    }

    fn build(&mut self, attempt: &Attempt) -> Result<(), i32> {
        self.setups.push(*attempt);
        let flags = attempt.flags;
        let unknown = !self.knows.has(flags);
        let taskrun = flags.has(Flags::COOP_TASKRUN) || flags.has(Flags::DEFER_TASKRUN);
        let alone = flags.has(Flags::TASKRUN_FLAG) && !taskrun;
        let lonely = flags.has(Flags::DEFER_TASKRUN) && !flags.has(Flags::SINGLE_ISSUER);
        let both = attempt.sqpoll.is_some() && taskrun;
        let no_cpu = attempt.sqpoll.and_then(|sqpoll| sqpoll.cpu) >= Some(self.cpus);
        if unknown || alone || lonely || both || no_cpu {
            Err(libc::EINVAL)
        } else if attempt.sqpoll.is_some() && self.sqpoll_errno != 0 {
            Err(self.sqpoll_errno)
        } else if attempt.entries + attempt.completions > self.places_max {
            Err(libc::ENOMEM)
        } else {
            Ok(())
        }
    }

    fn make(&mut self, config: &UringConfig) -> Result<Made<()>, Refused> {
        negotiate(config, None, &mut |attempt| self.build(attempt))
    }
}

const ALL: Flags = Flags(0b11_1111);

#[test]
fn takes_everything_in_one_call_where_it_can() {
    let mut kernel = Kernel::knowing(ALL);
    let made = kernel.make(&UringConfig::worker(64)).unwrap();
    assert_eq!(made.attempt.flags, wanted(Personality::Worker, false));
    assert!(made.given_up.is_empty());
    assert_eq!(kernel.setups.len(), 1);
}

#[test]
fn gives_up_exactly_the_flag_that_is_refused_and_says_why() {
    for personality in [Personality::Inline, Personality::Worker] {
        let config = UringConfig { personality, ..UringConfig::inline(64) };
        let all = wanted(personality, false);
        for index in all.indices() {
            let missing = Flags::of_index(index);
            let made = Kernel::knowing(ALL.without(missing)).make(&config).unwrap();
            // DEFER goes with SINGLE_ISSUER; without COOP and DEFER the flag TASKRUN means nothing.
            let mut expected = all.without(missing);
            if missing == Flags::SINGLE_ISSUER {
                expected = expected.without(Flags::DEFER_TASKRUN);
            }
            if missing == Flags::COOP_TASKRUN && personality == Personality::Inline {
                expected = expected.without(Flags::TASKRUN_FLAG);
            }
            assert_eq!(made.attempt.flags, expected, "without {}", SETUP_FLAGS[index].name);
            let given = made.given_up.iter().find(|gone| gone.name == SETUP_FLAGS[index].name);
            let reason = given.unwrap().reason.as_deref().unwrap();
            assert!(reason.contains(SETUP_FLAGS[index].since), "{reason}");
        }
    }
}

#[test]
fn a_kernel_without_any_of_them_still_gives_a_ring() {
    let made = Kernel::knowing(Flags::default()).make(&UringConfig::worker(64)).unwrap();
    assert_eq!(made.attempt.flags, Flags::default());
    assert_eq!(made.given_up.len(), SETUP_FLAGS.len());
}

#[test]
fn halves_the_ring_when_memory_is_short_down_to_the_floor() {
    let mut kernel = Kernel::knowing(ALL);
    kernel.places_max = 300;
    let made = kernel.make(&UringConfig::inline(4096)).unwrap();
    assert!(made.attempt.entries >= ENTRIES_MIN && made.attempt.completions >= ENTRIES_MIN);
    assert!(made.attempt.entries + made.attempt.completions <= 300);
    assert_eq!(made.given_up.len(), 1);
    assert!(made.given_up[0].reason.as_deref().unwrap().contains("locked memory"));
    kernel.places_max = 100;
    let refused = kernel.make(&UringConfig::inline(4096)).unwrap_err();
    assert_eq!((refused.errno, refused.at), (libc::ENOMEM, "io_uring_setup"));
    assert_eq!(kernel.setups.last().map(|last| last.entries), Some(ENTRIES_MIN));
    assert_eq!(kernel.setups.last().map(|last| last.completions), Some(ENTRIES_MIN));
}

#[test]
fn an_sq_thread_that_is_not_allowed_is_done_without() {
    let mut kernel = Kernel::knowing(ALL);
    kernel.sqpoll_errno = libc::EPERM;
    let sqpoll = Sqpoll { cpu: None, idle_ms: 0, share: None };
    let made = kernel.make(&UringConfig::inline(64).with_sqpoll(sqpoll)).unwrap();
    assert_eq!(made.attempt.sqpoll, None);
    assert_eq!(made.attempt.flags, wanted(Personality::Inline, false));
    assert_eq!(made.given_up[0].name, "sqpoll");
    assert_eq!(kernel.setups[0].sqpoll.unwrap().idle_ms, 1);
}

#[test]
fn a_cpu_that_is_not_there_is_named() {
    let sqpoll = Sqpoll { cpu: Some(99), idle_ms: 10, share: None };
    let config = UringConfig::inline(64).with_sqpoll(sqpoll);
    let refused = Kernel::knowing(ALL).make(&config).unwrap_err();
    assert_eq!(refused.option, Some("sqpoll.cpu"));
    assert!(refused.why.contains("CPU 99"), "{}", refused.why);
}

#[test]
fn anything_else_is_a_refusal_with_its_errno() {
    for errno in [libc::ENOSYS, libc::EPERM, libc::EACCES, libc::EMFILE] {
        let config = UringConfig::inline(64);
        let refused = negotiate::<()>(&config, None, &mut |_| Err(errno)).unwrap_err();
        assert_eq!((refused.errno, refused.at), (errno, "io_uring_setup"));
        assert!(!refused.why.is_empty() && refused.option.is_none());
    }
}
