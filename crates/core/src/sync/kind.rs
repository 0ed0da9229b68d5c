//! Who shares a primitive, and what that costs.
//!
//! | [`Kind`] | shared by | its words | its lists are guarded by |
//! |---|---|---|---|
//! | `Local` | the tasks of one loop | `Cell` | nothing: `!Sync` is the guard |
//! | `Shared` | any thread | atomics | a mutex, held for a few instructions |
//!
//! Each primitive is written once, over the four parts that [`Local`] and [`Shared`] bring. Nothing
//! foreign ever runs while such a list is held: no waker is called, cloned or dropped, no value of
//! the user's is dropped. That is what makes `Local` sound without a lock (**K1**), and what keeps
//! `Shared`'s lock short.

use crate::loom::{Arc, AtomicUsize, Mutex, Ordering, RwLock, UnsafeCell};
use crate::task::{WokenFrom, is_same_waker, keep_inside};
use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::task::Waker;

/// Which variant a primitive is, as its `kind()` says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// For the tasks of one loop: no atomics, and the compiler keeps it on its thread.
    Local,
    /// For tasks of any loop and for plain threads.
    Shared,
}

/// [`Local`] or [`Shared`]; sealed.
pub trait Sharing: Parts {}

/// The tasks of one loop share it: no atomic operation is ever made.
#[derive(Clone, Copy, Debug)]
pub enum Local {}

/// Any thread may use it.
#[derive(Clone, Copy, Debug)]
pub enum Shared {}

impl Sharing for Local {}
impl Sharing for Shared {}

/// What the two kinds differ in.
pub trait Parts: Sized + 'static {
    /// The name of the kind.
    const KIND: Kind;
    /// One machine word.
    type Word: Word;
    /// State and lists that one thread at a time may reach.
    type Lock<T>: Lock<T>;
    /// A value of the user's that many read and few write.
    type Value<T>: Value<T>;
    /// A counted reference.
    type Ref<T>: Clone + Deref<Target = T>;

    /// Puts `value` where references to it can be counted: one allocation.
    fn share<T>(value: T) -> Self::Ref<T>;

    /// Wakes, by the way that suits this kind.
    fn wake(waker: Waker);

    /// A waker for a list of this kind, which does nothing with it but [`wake`](Self::wake) or drop it.
    /// May be anybody's code.
    fn keep(waker: &Waker) -> Waker;

    /// Whether a kept waker wakes whom `waker` does.
    fn is_same(kept: &Waker, waker: &Waker) -> bool;

    /// From where the wake of one who waits comes.
    const WOKEN_FROM: WokenFrom;
}

impl Parts for Local {
    const KIND: Kind = Kind::Local;
    type Word = Cell<usize>;
    type Lock<T> = Unlocked<T>;
    type Value<T> = RefCell<T>;
    type Ref<T> = Rc<T>;

    fn share<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    #[inline(always)]
    fn wake(waker: Waker) {
        waker.wake();
    }

    #[inline]
    fn keep(waker: &Waker) -> Waker {
        keep_inside(waker)
    }

    #[inline]
    fn is_same(kept: &Waker, waker: &Waker) -> bool {
        is_same_waker(kept, waker)
    }

    const WOKEN_FROM: WokenFrom = WokenFrom::Inside;
}

impl Parts for Shared {
    const KIND: Kind = Kind::Shared;
    type Word = AtomicUsize;
    type Lock<T> = Mutex<T>;
    type Value<T> = RwLock<T>;
    type Ref<T> = Arc<T>;

    fn share<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    #[inline]
    fn wake(waker: Waker) {
        waker.wake();
    }

    #[inline]
    fn keep(waker: &Waker) -> Waker {
        waker.clone()
    }

    #[inline]
    fn is_same(kept: &Waker, waker: &Waker) -> bool {
        kept.will_wake(waker)
    }

    const WOKEN_FROM: WokenFrom = WokenFrom::Anywhere;
}

/// The operations of an atomic word. `Local`'s ignores the orderings.
pub trait Word {
    /// A word that holds `value`.
    fn new(value: usize) -> Self;
    /// Its value.
    fn load(&self, order: Ordering) -> usize;
    /// Sets it.
    fn store(&self, value: usize, order: Ordering);
    /// Sets it to `new` where it is `current`; the value before, as `Err` where it was another.
    fn exchange(&self, current: usize, new: usize, order: Ordering) -> Result<usize, usize>;
    /// Adds; the value before.
    fn fetch_add(&self, value: usize, order: Ordering) -> usize;
    /// Subtracts; the value before.
    fn fetch_sub(&self, value: usize, order: Ordering) -> usize;
    /// Replaces; the value before.
    fn swap(&self, value: usize, order: Ordering) -> usize;
}

impl Word for Cell<usize> {
    #[inline(always)]
    fn new(value: usize) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(&self, _: Ordering) -> usize {
        self.get()
    }

    #[inline(always)]
    fn store(&self, value: usize, _: Ordering) {
        self.set(value);
    }

    #[inline(always)]
    fn exchange(&self, current: usize, new: usize, _: Ordering) -> Result<usize, usize> {
        let now = self.get();
        if now != current {
            return Err(now);
        }
        self.set(new);
        Ok(now)
    }

    #[inline(always)]
    fn fetch_add(&self, value: usize, _: Ordering) -> usize {
        let before = self.get();
        self.set(before.wrapping_add(value));
        before
    }

    #[inline(always)]
    fn fetch_sub(&self, value: usize, _: Ordering) -> usize {
        let before = self.get();
        self.set(before.wrapping_sub(value));
        before
    }

    #[inline(always)]
    fn swap(&self, value: usize, _: Ordering) -> usize {
        self.replace(value)
    }
}

impl Word for AtomicUsize {
    #[inline(always)]
    fn new(value: usize) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(&self, order: Ordering) -> usize {
        self.load(order)
    }

    #[inline(always)]
    fn store(&self, value: usize, order: Ordering) {
        self.store(value, order);
    }

    #[inline(always)]
    fn exchange(&self, current: usize, new: usize, order: Ordering) -> Result<usize, usize> {
        // Relaxed on failure: who fails looks again, or takes the slow path through the lock.
        self.compare_exchange(current, new, order, Ordering::Relaxed)
    }

    #[inline(always)]
    fn fetch_add(&self, value: usize, order: Ordering) -> usize {
        self.fetch_add(value, order)
    }

    #[inline(always)]
    fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
        self.fetch_sub(value, order)
    }

    #[inline(always)]
    fn swap(&self, value: usize, order: Ordering) -> usize {
        self.swap(value, order)
    }
}

/// State that one thread at a time may reach.
pub trait Lock<T> {
    /// Guards `value`.
    fn new(value: T) -> Self;

    /// Runs `f` on it. `f` runs nothing foreign (K1) and does not come here again.
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
}

/// `Local`'s lock: none. That it is not `Sync` keeps other threads out; K1 keeps out this one.
#[derive(Debug)]
pub struct Unlocked<T> {
    inside: Cell<bool>,
    value: UnsafeCell<T>,
}

impl<T> Lock<T> for Unlocked<T> {
    #[inline(always)]
    fn new(value: T) -> Self {
        Self { inside: Cell::new(false), value: UnsafeCell::new(value) }
    }

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // Only tests look: K1 is a property of this module's code, not of what is called with it.
        debug_assert!(!self.inside.replace(true), "foreign code ran inside of a local lock");
        // SAFETY: `Unlocked` is not `Sync`, so this is the only thread here, and `f` does not come
        // here again (K1): the reference is the only one.
        let result = self.value.with_mut(|value| f(unsafe { &mut *value }));
        debug_assert!(self.inside.replace(false));
        result
    }
}

impl<T> Lock<T> for Mutex<T> {
    #[inline(always)]
    fn new(value: T) -> Self {
        Self::new(value)
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // Poison says nothing here: `f` is our own code, and every change it makes is whole.
        f(&mut self.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A value that many read and few write. Unlike in [`Lock`], the user's code may run inside.
pub trait Value<T> {
    /// Holds `value`.
    fn new(value: T) -> Self;
    /// Runs `f` on it, beside other readers.
    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R;
    /// Runs `f` on it, alone.
    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
}

impl<T> Value<T> for RefCell<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.borrow())
    }

    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.borrow_mut())
    }
}

impl<T> Value<T> for RwLock<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // Poison: a reader that panicked has changed nothing, and a writer's change is one move.
        f(&self.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn write<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.write().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
