use super::*;
use std::thread;

fn set(cpus: &[usize]) -> CpuSet {
    cpus.iter().copied().collect()
}

#[test]
fn f13_workers_keep_off_a_cpu_where_there_is_another() {
    let places = place(set(&[0, 1, 2]), set(&[1]), 2, false);
    assert_eq!(places, Places { cpus: set(&[0, 2]), pinned: false, warning: None });
    assert!((0..8).all(|worker| places.of(worker) == set(&[0, 2])));
}

#[test]
fn f13_one_cpu_is_used_with_a_warning() {
    for pinned in [false, true] {
        let places = place(set(&[3]), set(&[0, 3]), 1, pinned);
        assert_eq!((places.cpus, places.warning), (set(&[3]), Some(Warning::NoOtherCpu)));
        assert_eq!(places.of(0), set(&[3]));
        assert!(places.warning.unwrap().to_string().contains("nothing is kept off"));
    }
}

#[test]
fn f13_pinned_workers_take_turns() {
    let places = place(set(&[0, 5, 70, 1023]), set(&[5]), 4, true);
    assert_eq!(places.warning, Some(Warning::SharedCpu));
    let cpus: Vec<_> = (0..4).map(|worker| places.of(worker)).collect();
    assert_eq!(cpus, [set(&[0]), set(&[70]), set(&[1023]), set(&[0])]);
    assert_eq!(place(set(&[0, 1]), set(&[]), 2, true).warning, None);
}

/// Not only asked for: the thread's own mask, read back from the kernel, lacks the CPU.
#[test]
fn f13_the_mask_is_in_force() {
    let available = CpuSet::of_this_thread().unwrap();
    let kept_off: CpuSet = available.iter().take(1).collect();
    let places = place(available, kept_off, 2, true);
    assert_eq!(places.warning.is_some(), available.len() == 1 || places.cpus.len() < 2);
    let (bound, seen) = thread::spawn(move || {
        let bound = places.of(0).bind_this_thread().unwrap();
        // A thread that it starts has its mask.
        (bound, thread::spawn(|| CpuSet::of_this_thread().unwrap()).join().unwrap())
    })
    .join()
    .unwrap();
    assert_eq!((bound, seen), (places.of(0), places.of(0)));
    assert!(available.len() == 1 || seen.without(&kept_off) == seen);
    assert_eq!(CpuSet::of_this_thread().unwrap(), available, "other threads keep theirs");
}

#[test]
fn f13_a_cpu_that_is_not_there_is_refused() {
    let nowhere = set(&[1023]);
    if !CpuSet::of_this_thread().unwrap().contains(1023) {
        assert_eq!(nowhere.bind_this_thread(), Err(Error::Os(libc::EINVAL)));
    }
    assert!(set(&[5000]).is_empty());
}
