//! Jobs that wait for a thread: as many as there is room for, by priority, each to be taken out of
//! the middle.
//!
//! Three lists over one table of fixed size. Of 32 takes, the 4 with a number of the form 8n + 7 look
//! for a normal job first and the one with number 3 looks for a low one first; all others look for
//! the highest. So the first of the waiting jobs of normal priority starts after 8 takes at the
//! most, and that of low priority after 32, however many of higher priority come.

#![forbid(unsafe_code)]

/// Which of the waiting jobs a free thread takes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Priority {
    /// After the others; but of 32 jobs that start, one at least.
    Low,
    /// Of 8 jobs that start, one at least.
    #[default]
    Normal,
    /// Before all others.
    High,
}

use Priority::{High, Low, Normal};

const TAKES: u32 = 32;
const NONE: u32 = u32::MAX;

const fn order(take: u32) -> [Priority; 3] {
    match take {
        3 => [Low, High, Normal],
        take if take % 8 == 7 => [Normal, High, Low],
        _ => [High, Normal, Low],
    }
}

/// Where a job waits. A place that was used anew since is not mistaken for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    index: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry<T> {
    item: Option<T>,
    generation: u32,
    priority: Priority,
    before: u32,
    /// In a list of waiting jobs, or in that of free entries.
    after: u32,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Debug)]
pub(super) struct Queue<T> {
    entries: Box<[Entry<T>]>,
    free: u32,
    lists: [List; 3],
    len: usize,
    take: u32,
}

impl<T> Queue<T> {
    pub(super) fn new(len_max: usize) -> Self {
        let len_max = u32::try_from(len_max).unwrap_or(NONE).min(NONE - 1);
        let entry = |index: u32| Entry {
            item: None,
            generation: 0,
            priority: Low,
            before: NONE,
            after: if index + 1 < len_max { index + 1 } else { NONE },
        };
        Self {
            entries: (0..len_max).map(entry).collect(),
            free: if len_max == 0 { NONE } else { 0 },
            lists: [List { first: NONE, last: NONE }; 3],
            len: 0,
            take: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Puts an item behind those of its priority; gives it back where the table is full.
    pub(super) fn push(&mut self, priority: Priority, item: T) -> Result<Place, T> {
        let index = self.free;
        let last = self.lists[priority as usize].last;
        let Some(entry) = self.entries.get_mut(index as usize) else { return Err(item) };
        self.free = entry.after;
        entry.item = Some(item);
        entry.priority = priority;
        entry.before = last;
        entry.after = NONE;
        let generation = entry.generation;
        match self.entries.get_mut(last as usize) {
            Some(last) => last.after = index,
            None => self.lists[priority as usize].first = index,
        }
        self.lists[priority as usize].last = index;
        self.len += 1;
        Ok(Place { index, generation })
    }

    /// The next by the rule above.
    pub(super) fn pop(&mut self) -> Option<T> {
        let lists = order(self.take).map(|priority| self.lists[priority as usize].first);
        let index = lists.into_iter().find(|&first| first != NONE)?;
        self.take = (self.take + 1) % TAKES;
        self.take_out(index)
    }

    /// Takes one out, if it is still there.
    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        let entry = self.entries.get(place.index as usize)?;
        if entry.generation == place.generation { self.take_out(place.index) } else { None }
    }

    fn take_out(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        let item = entry.item.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        let (before, after, list) = (entry.before, entry.after, entry.priority as usize);
        entry.after = self.free;
        self.free = index;
        self.len -= 1;
        match self.entries.get_mut(before as usize) {
            Some(before) => before.after = after,
            None => self.lists[list].first = after,
        }
        match self.entries.get_mut(after as usize) {
            Some(after) => after.before = before,
            None => self.lists[list].last = before,
        }
        Some(item)
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn all(queue: &mut Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn the_higher_first_and_within_one_the_older_first() {
        let mut queue = Queue::new(8);
        for (priority, item) in [(Low, 5), (Normal, 3), (High, 1), (Low, 6), (High, 2), (Normal, 4)]
        {
            queue.push(priority, item).unwrap();
        }
        queue.take = 8;
        assert_eq!(all(&mut queue), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn full_is_full_until_one_is_taken_or_removed() {
        let mut queue = Queue::new(2);
        let first = queue.push(Low, 1).unwrap();
        queue.push(High, 2).unwrap();
        assert_eq!(queue.push(High, 3).unwrap_err(), 3);
        assert_eq!((queue.remove(first), queue.remove(first)), (Some(1), None));
        // The place is used anew; the old name of it means nothing.
        queue.push(Low, 4).unwrap();
        assert_eq!((queue.remove(first), queue.len()), (None, 2));
        assert_eq!(all(&mut queue), [2, 4]);
        assert_eq!(Queue::new(0).push(High, 1).unwrap_err(), 1);
    }

    #[test]
    fn removes_from_everywhere_in_a_list() {
        for gone in 0..4 {
            let mut queue = Queue::new(4);
            let places: Vec<_> = (0..4).map(|item| queue.push(Normal, item).unwrap()).collect();
            assert_eq!(queue.remove(places[gone]), Some(gone as u32));
            let rest: Vec<_> = (0..4).filter(|&item| item != gone as u32).collect();
            assert_eq!(all(&mut queue), rest);
        }
    }

    #[test]
    fn nobody_starves_behind_higher_ones() {
        for start in 0..TAKES {
            let mut queue = Queue::new(4);
            queue.take = start;
            queue.push(Low, 0).unwrap();
            queue.push(Normal, 1).unwrap();
            let mut takes = [0, 0];
            for take in 1..=TAKES {
                queue.push(High, 2).unwrap();
                queue.push(Normal, 3).ok();
                if let kind @ 0..2 = queue.pop().unwrap() {
                    takes[kind as usize] = take;
                }
            }
            assert!((1..=32).contains(&takes[0]) && (1..=8).contains(&takes[1]), "{takes:?}");
        }
    }
}
