//! From the doorbell to JavaScript: libuv polls, one callback settles a batch.
//!
//! ```text
//! Armed ─1 readable─► on_readable ─► Lane::turn ─► make_callback(settle, count) ─► Armed
//!   └─2 close─► Closing ─3 libuv's close callback─► gone
//! ```
//!
//! `napi_make_callback` opens one callback scope for the whole batch, so that microtasks and
//! `process.nextTick` run once after it, in the async context of the runtime.

use crate::port::State;
use crate::uv;
use libc::{c_int, c_void};
use napi::sys;
use std::cell::Cell;
use std::rc::Rc;

/// The poll handle of a port, and what it calls.
#[derive(Debug)]
pub(crate) struct Wake {
    handle: *mut uv::Poll,
    layout: std::alloc::Layout,
    keeps_alive: Cell<bool>,
    closed: Cell<bool>,
}

impl Wake {
    /// Starts polling `fd` on the environment's loop. The handle keeps `state` until it is closed.
    /// An errno where libuv refuses.
    ///
    /// # Safety
    ///
    /// `env` is the calling environment, and `fd` stays open until [`Self::close`].
    pub(crate) unsafe fn start(
        env: sys::napi_env,
        fd: c_int,
        state: &Rc<State>,
    ) -> Result<Self, i32> {
        let mut event_loop = std::ptr::null_mut();
        // SAFETY: `env` is valid (caller), the place is writable.
        let status = unsafe { sys::napi_get_uv_event_loop(env, &raw mut event_loop) };
        if status != sys::Status::napi_ok || event_loop.is_null() {
            return Err(libc::ENOSYS);
        }
        // SAFETY: takes a number.
        let size = unsafe { uv::uv_handle_size(uv::HANDLE_TYPE_POLL) };
        let layout =
            std::alloc::Layout::from_size_align(size.max(1), 16).map_err(|_| libc::EINVAL)?;
        // SAFETY: the size is not zero.
        let handle: *mut uv::Poll = unsafe { std::alloc::alloc_zeroed(layout) }.cast();
        if handle.is_null() {
            return Err(libc::ENOMEM);
        }
        // SAFETY: the loop is this thread's, the handle has libuv's size.
        let status = unsafe { uv::uv_poll_init(event_loop.cast(), handle, fd) };
        if status != 0 {
            // SAFETY: libuv did not take it; it was made with this layout.
            unsafe { std::alloc::dealloc(handle.cast(), layout) };
            return Err(-status);
        }
        let data = Rc::into_raw(state.clone()).cast_mut().cast::<c_void>();
        // SAFETY: an initialised handle.
        unsafe { uv::uv_handle_set_data(handle, data) };
        // SAFETY: as above. It cannot fail for a readable descriptor that was just initialised.
        unsafe { uv::uv_poll_start(handle, uv::READABLE, on_readable) };
        // SAFETY: as above. Nothing is under way, so nothing keeps the process alive.
        unsafe { uv::uv_unref(handle) };
        Ok(Self { handle, layout, keeps_alive: Cell::new(false), closed: Cell::new(false) })
    }

    /// Whether the loop stays alive for this port.
    pub(crate) fn keep_alive(&self, keep: bool) {
        if self.closed.get() || self.keeps_alive.replace(keep) == keep {
            return;
        }
        match keep {
            // SAFETY: the handle is open.
            true => unsafe { uv::uv_ref(self.handle) },
            // SAFETY: the handle is open.
            false => unsafe { uv::uv_unref(self.handle) },
        }
    }

    /// Transition 2. Libuv lets go of the handle, and of the state, when its loop comes round.
    pub(crate) fn close(&self) {
        if !self.closed.replace(true) {
            // SAFETY: the handle is open, and closed only here.
            unsafe { uv::uv_close(self.handle, on_closed) };
        }
    }
}

/// Transition 1, on the JavaScript thread.
unsafe extern "C" fn on_readable(handle: *mut uv::Poll, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls with the handle that was started.
    let data = unsafe { uv::uv_handle_get_data(handle) };
    let state = data.cast_const().cast::<State>();
    // SAFETY: the handle holds a count of this Rc until `on_closed`; the clone made here keeps the
    // state while JavaScript runs, which may close the port.
    unsafe { Rc::increment_strong_count(state) };
    // SAFETY: the count that was just added is this Rc's.
    let state = unsafe { Rc::from_raw(state) };
    state.wake();
}

/// Transition 3.
unsafe extern "C" fn on_closed(handle: *mut uv::Poll) {
    // SAFETY: libuv calls with the handle that was closed.
    let data = unsafe { uv::uv_handle_get_data(handle) };
    // SAFETY: the count that `start` gave to the handle.
    let state = unsafe { Rc::from_raw(data.cast_const().cast::<State>()) };
    if let Some(wake) = state.wake.get() {
        // SAFETY: made with this layout; libuv is done with it.
        unsafe { std::alloc::dealloc(handle.cast(), wake.layout) };
    }
    state.handle_closed();
}
