//! Values that belong to a task: whatever it calls sees them, whatever thread it runs on.
//!
//! While a scope's future is polled, or dropped, its value is linked into a list of this thread, innermost
//! first. So a value costs nothing while its task does not run, and no memory of its own.

use crate::loom::thread_local;
use std::any::TypeId;
use std::cell::Cell;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::{NonNull, null};
use std::task::{Context, Poll};

/// The key of a task's value: a `static` of it per kind of value.
///
/// ```
/// use wakering_core::task::TaskLocal;
///
/// static REQUEST: TaskLocal<u32> = TaskLocal::new();
///
/// fn deep_inside() -> Option<u32> {
///     REQUEST.with(|id| *id)
/// }
///
/// let task = REQUEST.scope(7, async { deep_inside() });
/// assert_eq!(wakering_core::task::block_on(task), Some(7));
/// assert_eq!(deep_inside(), None);
/// ```
#[derive(Debug)]
pub struct TaskLocal<T: 'static> {
    /// So that each key, a `static`, has an address of its own.
    _place: u8,
    value: PhantomData<fn() -> T>,
}

struct Frame {
    key: *const (),
    kind: TypeId,
    value: NonNull<()>,
    outer: *const Frame,
}

thread_local! {
    static INNERMOST: Cell<*const Frame> = const { Cell::new(null()) };
}

impl<T: 'static> Default for TaskLocal<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> TaskLocal<T> {
    /// A key that no task has a value for.
    pub const fn new() -> Self {
        Self { _place: 0, value: PhantomData }
    }

    /// A future in which the key has that value. An inner scope hides an outer one.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scope<T, F> {
        Scope { key: self, value, future: ManuallyDrop::new(future), _pinned: PhantomPinned }
    }

    /// Calls `f` with the value of the task that is polled here, if it has one.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let mut f = Some(f);
        self.find(|value| f.take().map(|f| f(value)))
    }

    /// Whether it holds for any value of the task that is polled here, hidden ones among them.
    #[inline]
    pub(crate) fn any(&'static self, mut f: impl FnMut(&T) -> bool) -> bool {
        self.find(|value| f(value).then_some(())).is_some()
    }

    /// What `f` says of a value, innermost first, until it says something.
    #[inline]
    fn find<R>(&'static self, mut f: impl FnMut(&T) -> Option<R>) -> Option<R> {
        let mut frame = INNERMOST.with(Cell::get);
        loop {
            // SAFETY: frames are linked while the call that made them is on this thread's stack,
            // which is below this one.
            let here = unsafe { frame.as_ref() }?;
            if here.key == std::ptr::from_ref(self).cast() && here.kind == TypeId::of::<T>() {
                // SAFETY: the frame says that it is a `T`, and its scope is pinned and borrowed by the
                // poll, or the drop, that is under way.
                let found = f(unsafe { here.value.cast::<T>().as_ref() });
                if found.is_some() {
                    return found;
                }
            }
            frame = here.outer;
        }
    }
}

/// See [`TaskLocal::scope`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Scope<T: 'static, F> {
    key: &'static TaskLocal<T>,
    value: T,
    /// Dropped while the value is linked.
    future: ManuallyDrop<F>,
    _pinned: PhantomPinned,
}

impl<T: 'static, F> Scope<T, F> {
    fn frame(&self) -> Frame {
        Frame {
            key: std::ptr::from_ref(self.key).cast(),
            kind: TypeId::of::<T>(),
            value: NonNull::from(&self.value).cast(),
            outer: INNERMOST.with(Cell::get),
        }
    }
}

/// Takes the frame out again, whether what follows returns or unwinds.
struct Linked<'a>(&'a Frame);

impl<'a> Linked<'a> {
    fn link(frame: &'a Frame) -> Self {
        INNERMOST.with(|innermost| innermost.set(frame));
        Self(frame)
    }
}

impl Drop for Linked<'_> {
    fn drop(&mut self) {
        INNERMOST.with(|innermost| innermost.set(self.0.outer));
    }
}

impl<T: 'static, F: Future> Future for Scope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is not moved, and the value is only ever reached shared.
        let this = unsafe { self.get_unchecked_mut() };
        let frame = this.frame();
        let _linked = Linked::link(&frame);
        // SAFETY: pinned with the whole.
        unsafe { Pin::new_unchecked(&mut *this.future) }.poll(cx)
    }
}

impl<T: 'static, F> Drop for Scope<T, F> {
    fn drop(&mut self) {
        let frame = self.frame();
        let _linked = Linked::link(&frame);
        // SAFETY: dropped here and nowhere else, and not moved before.
        unsafe { ManuallyDrop::drop(&mut self.future) };
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::task::{block_on, yield_now};

    static NAME: TaskLocal<&str> = TaskLocal::new();
    static NUMBER: TaskLocal<Cell<u32>> = TaskLocal::new();

    #[test]
    fn the_inner_scope_hides_the_outer_one_and_other_keys_stay() {
        let inner = NAME.scope("inner", async {
            yield_now().await;
            NUMBER.with(|number| number.set(number.get() + 1));
            NAME.with(|name| *name)
        });
        let outer = NUMBER.scope(
            Cell::new(1),
            NAME.scope("outer", async {
                let inner = inner.await;
                (inner, NAME.with(|name| *name), NUMBER.with(Cell::get))
            }),
        );
        assert_eq!(block_on(outer), (Some("inner"), Some("outer"), Some(2)));
        assert_eq!(NAME.with(|name| *name), None);
    }

    #[test]
    fn the_value_is_there_while_the_future_is_dropped() {
        struct Sees<'a>(&'a Cell<Option<&'static str>>);
        impl Drop for Sees<'_> {
            fn drop(&mut self) {
                self.0.set(NAME.with(|name| *name));
            }
        }
        let seen = Cell::new(None);
        let sees = Sees(&seen);
        drop(NAME.scope("dropped", async move { drop(sees) }));
        assert_eq!(seen.get(), Some("dropped"));
        assert_eq!(NAME.with(|name| *name), None);
    }

    #[test]
    fn a_panic_takes_the_value_out_of_sight() {
        let panicking = NAME.scope("gone", async { panic!("on purpose") });
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(panicking)));
        assert!(caught.is_err());
        assert_eq!(NAME.with(|name| *name), None);
    }
}
