//! The port: one for each runtime of a JavaScript thread.
//!
//! ```text
//! flush(n):  n descriptors ─► lane.accept ─► lane.turn ─► count of records
//! wake:      doorbell ─► lane.turn ─► settle(count)
//! ```
//!
//! - **P1** Everything here runs on the environment's thread.
//! - **P2** No borrow of the lane is held while JavaScript runs.
//! - **P3** After `shut_down` the lane is gone: memory of JavaScript is not touched any more, and no
//!   thread of the lane runs.

use crate::options::PortOptions;
use crate::records::PortMemory;
use crate::report::{self, CapabilitiesObject, MetricsObject};
use crate::wake::Wake;
use libc::c_void;
use napi::bindgen_prelude::{BufferSlice, Function, Object, Uint8ArraySlice};
use napi::{Env, Error, JsValue, Result, Status, sys};
use napi_derive::napi;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use wakering::Lane;
use wakering_core::abi::{self, port};

/// How long the end of an environment may wait for the kernel to be done with what it was lent. What
/// is cancelled ends within milliseconds; a machine that is very slow or very busy gets this long.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);
/// The count that tells JavaScript to call `flush` for the error.
const COUNT_BROKEN: u32 = u32::MAX;

/// What a port is, shared by its JavaScript object, its poll handle and the cleanup hook.
#[derive(Debug)]
pub(crate) struct State {
    env: sys::napi_env,
    lane: RefCell<Option<Lane>>,
    memory: PortMemory,
    /// References that keep lent memory and the callback.
    kept: RefCell<Vec<sys::napi_ref>>,
    settle: sys::napi_ref,
    context: sys::napi_async_context,
    pub(crate) wake: OnceCell<Wake>,
    hook: Cell<sys::napi_async_cleanup_hook_handle>,
}

fn closed() -> Error {
    Error::new(Status::Closing, abi::ErrorKind::Closed.message())
}

fn check(status: sys::napi_status, what: &str) -> Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        other => Err(Error::new(Status::from(other), format!("{what} failed"))),
    }
}

fn reference(env: sys::napi_env, value: sys::napi_value) -> Result<sys::napi_ref> {
    let mut made = std::ptr::null_mut();
    // SAFETY: both come from the calling environment.
    check(unsafe { sys::napi_create_reference(env, value, 1, &raw mut made) }, "a reference")?;
    Ok(made)
}

impl State {
    fn turn(&self, lane: &mut Lane, after_batch: bool) -> Result<u32> {
        let mut sink = self.memory.sink();
        let turned = match after_batch {
            true => lane.turn_after_batch(port::COMPLETIONS_MAX, &mut sink),
            false => lane.turn(port::COMPLETIONS_MAX, &mut sink),
        };
        self.keep_alive(lane.keeping_alive() > 0);
        match turned {
            Ok(_) => Ok(sink.count as u32),
            // Records first: the error will be there again at the next turn.
            Err(_) if sink.count > 0 => Ok(sink.count as u32),
            Err(error) => Err(Error::from_reason(format!(
                "the ring cannot be entered any more: {error}; close the runtime and make another"
            ))),
        }
    }

    /// One batch; see [`NativePort::flusher`].
    pub(crate) fn flush(&self, count: u32) -> Result<u32> {
        let mut guard = self.lane.borrow_mut();
        let lane = guard.as_mut().ok_or_else(closed)?;
        let count = (count as usize).min(port::DESCRIPTORS_MAX);
        lane.begin_batch(count);
        for index in 0..count {
            lane.accept(&self.memory.descriptor(index), self.memory.arena());
        }
        self.turn(lane, true)
    }

    fn keep_alive(&self, keep: bool) {
        if let Some(wake) = self.wake.get() {
            wake.keep_alive(keep);
        }
    }

    /// The doorbell was heard: settle what is complete, in one callback.
    pub(crate) fn wake(&self) {
        // No borrow of the lane is left when JavaScript is called (P2).
        let count = match self.lane.borrow_mut().as_mut() {
            Some(lane) => self.turn(lane, false).unwrap_or(COUNT_BROKEN),
            None => return,
        };
        if count == 0 {
            return;
        }
        let mut scope = std::ptr::null_mut();
        // SAFETY: the environment's own thread (P1); libuv has not been told to close the handle,
        // so the environment is alive.
        if unsafe { sys::napi_open_handle_scope(self.env, &raw mut scope) } != sys::Status::napi_ok
        {
            return;
        }
        // SAFETY: within the scope that was just opened.
        unsafe { self.call_settle(count) };
        // SAFETY: opened above.
        unsafe { sys::napi_close_handle_scope(self.env, scope) };
    }

    /// # Safety
    ///
    /// A handle scope is open, on the environment's thread.
    unsafe fn call_settle(&self, count: u32) {
        let mut settle = std::ptr::null_mut();
        let mut argument = std::ptr::null_mut();
        let mut receiver = std::ptr::null_mut();
        // SAFETY: the reference is alive until `handle_closed`.
        unsafe { sys::napi_get_reference_value(self.env, self.settle, &raw mut settle) };
        // SAFETY: as the function's contract says.
        unsafe { sys::napi_create_uint32(self.env, count, &raw mut argument) };
        // SAFETY: as the function's contract says.
        unsafe { sys::napi_get_global(self.env, &raw mut receiver) };
        if settle.is_null() || argument.is_null() || receiver.is_null() {
            return;
        }
        let mut result = std::ptr::null_mut();
        // SAFETY: values of this scope; no borrow of the lane is held (P2).
        let status = unsafe {
            sys::napi_make_callback(
                self.env,
                self.context,
                receiver,
                settle,
                1,
                &raw const argument,
                &raw mut result,
            )
        };
        if status == sys::Status::napi_pending_exception {
            let mut exception = std::ptr::null_mut();
            // SAFETY: an exception is pending.
            unsafe { sys::napi_get_and_clear_last_exception(self.env, &raw mut exception) };
            // SAFETY: the exception of the line above: Node treats it as uncaught.
            unsafe { sys::napi_fatal_exception(self.env, exception) };
        }
    }

    /// Starts to poll `fd` and has the environment call before it ends.
    fn start(self: &Rc<Self>, fd: i32) -> Result<()> {
        // SAFETY: the calling environment; the lane keeps `fd` open until `shut_down`, which closes
        // the handle first.
        let wake = unsafe { Wake::start(self.env, fd, self) };
        let wake =
            wake.map_err(|errno| native_error(wakering_core::Error::Os(errno), "uv_poll"))?;
        let _ = self.wake.set(wake);
        let mut hook = std::ptr::null_mut();
        let argument = Rc::as_ptr(self).cast_mut().cast::<c_void>();
        // SAFETY: the poll handle's count keeps the state until the hook is removed.
        let status = unsafe {
            sys::napi_add_async_cleanup_hook(self.env, Some(on_cleanup), argument, &raw mut hook)
        };
        check(status, "napi_add_async_cleanup_hook")?;
        self.hook.set(hook);
        Ok(())
    }

    /// Ends the lane and lets libuv go. Idempotent. How many ops are left to the kernel.
    fn shut_down(&self) -> u32 {
        let lane = self.lane.borrow_mut().take();
        if let Some(wake) = self.wake.get() {
            // While the lane still has the descriptor: once that is closed, its number is another's.
            wake.close();
        }
        lane.map_or(0, |mut lane| lane.shut_down(SHUTDOWN_TIME).stuck) as u32
    }

    /// What `start` has not finished is undone: a handle that stays open would keep the
    /// environment's loop from ever being closed.
    fn undo_start(&self) {
        self.shut_down();
        if self.wake.get().is_none() {
            self.handle_closed();
        }
    }

    /// Libuv is done with the handle, or never had one: nothing calls in any more.
    pub(crate) fn handle_closed(&self) {
        for kept in self.kept.borrow_mut().drain(..) {
            // SAFETY: a reference of this environment, deleted once.
            unsafe { sys::napi_delete_reference(self.env, kept) };
        }
        // SAFETY: made in `new`; no callback uses it any more.
        unsafe { sys::napi_async_destroy(self.env, self.context) };
        let hook = self.hook.replace(std::ptr::null_mut());
        if !hook.is_null() {
            // SAFETY: added in `new`, removed once.
            unsafe { sys::napi_remove_async_cleanup_hook(hook) };
        }
    }
}

/// The environment ends: so does the lane, before this returns; the hook is removed when libuv has
/// let go of the handle.
unsafe extern "C" fn on_cleanup(_hook: sys::napi_async_cleanup_hook_handle, state: *mut c_void) {
    // SAFETY: the address of the State that the poll handle's Rc holds: it lives until
    // `handle_closed`, which removes this hook.
    let state = unsafe { &*state.cast::<State>() };
    state.shut_down();
}

/// A port. TypeScript's `Port` is the only one to use it.
#[napi]
#[derive(Debug)]
pub struct NativePort {
    state: Rc<State>,
}

#[napi]
impl NativePort {
    /// Makes a lane for this thread. `memory` is a view of `Port.BYTES` bytes at the start of a
    /// `WebAssembly.Memory`; `settle` is called with a count of records. Throws where the driver
    /// that was asked for is refused.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        options: PortOptions,
        memory: Uint8ArraySlice,
        settle: Function<u32, ()>,
        resource: Object,
    ) -> Result<Self> {
        crate::image::pin();
        if memory.len() < port::BYTES || !memory.as_ptr().addr().is_multiple_of(8) {
            return Err(Error::new(Status::InvalidArg, "the port's memory is too small"));
        }
        let lane = Lane::new(options.into());
        let mut lane = lane.map_err(|(error, why)| native_error(error, &why))?;
        let fd = lane.poll_fd();
        let raw = env.raw();
        let keep = reference(raw, memory.value().value)?;
        let settle = reference(raw, settle.value().value)?;
        let mut context = std::ptr::null_mut();
        let name = env.create_string("Wakering")?;
        // SAFETY: values of the calling environment.
        let status = unsafe {
            sys::napi_async_init(raw, resource.value().value, name.value().value, &raw mut context)
        };
        check(status, "napi_async_init")?;
        let state = Rc::new(State {
            env: raw,
            lane: RefCell::new(Some(lane)),
            // SAFETY: kept by the reference; a WebAssembly.Memory neither moves nor is detached.
            memory: unsafe { PortMemory::new(memory.as_ptr().cast_mut()) },
            kept: RefCell::new(vec![keep, settle]),
            settle,
            context,
            wake: OnceCell::new(),
            hook: Cell::new(std::ptr::null_mut()),
        });
        state.start(fd).inspect_err(|_| state.undo_start())?;
        Ok(Self { state })
    }

    /// The function that hands over a batch: `flush(count)` takes the first `count` descriptors,
    /// publishes them, and reaps what is complete. How many records there are; as many as the array
    /// holds means that there may be more.
    #[napi(ts_return_type = "(count: number) => number")]
    pub fn flusher<'env>(&self, env: &'env Env) -> Result<Function<'env, u32, u32>> {
        crate::flush::function(env, self.state.clone())
    }

    /// Lends a slab of a `WebAssembly.Memory`: its index for descriptors.
    #[napi]
    pub fn lend(&self, env: Env, slab: Uint8ArraySlice) -> Result<u32> {
        let mut guard = self.state.lane.borrow_mut();
        let lane = guard.as_mut().ok_or_else(closed)?;
        let keep = reference(env.raw(), slab.value().value)?;
        self.state.kept.borrow_mut().push(keep);
        // SAFETY: the reference keeps the memory until libuv has closed the handle, which comes
        // after `shut_down`; a WebAssembly.Memory neither moves nor is detached.
        let lent = unsafe { lane.lend(slab.as_ptr().cast_mut(), slab.len()) };
        lent.map_err(|error| native_error(error, "lend"))
    }

    /// Copies the data of a write to come into memory of the runtime.
    #[napi]
    pub fn stage(&self, slot: u32, data: Uint8ArraySlice) -> Result<()> {
        let mut guard = self.state.lane.borrow_mut();
        let lane = guard.as_mut().ok_or_else(closed)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(data.len())
            .map_err(|_| native_error(wakering_core::Error::Os(libc::ENOMEM), "stage"))?;
        copy.extend_from_slice(&data);
        lane.stage(slot, copy).map_err(|error| native_error(error, "stage"))
    }

    /// Hands over the memory that an op's result lies in, as a Buffer; empty where there is none.
    #[napi]
    pub fn take_owned<'env>(&self, env: &'env Env, slot: u32) -> Result<BufferSlice<'env>> {
        let mut guard = self.state.lane.borrow_mut();
        let lane = guard.as_mut().ok_or_else(closed)?;
        let mut owned = lane.take_owned(slot).unwrap_or_default();
        owned.shrink_to_fit();
        BufferSlice::from_data(env, owned)
    }

    /// Copies an op's result to `target` from `offset` on, and forgets it. How many bytes fitted.
    #[napi]
    pub fn copy_owned(&self, slot: u32, mut target: Uint8ArraySlice, offset: u32) -> Result<u32> {
        let mut guard = self.state.lane.borrow_mut();
        let lane = guard.as_mut().ok_or_else(closed)?;
        let owned = lane.take_owned(slot).unwrap_or_default();
        let offset = (offset as usize).min(target.len());
        let count = owned.len().min(target.len() - offset);
        // SAFETY: no JavaScript runs, and nobody else holds a slice of the target's memory.
        let target = unsafe { target.as_mut() };
        target[offset..offset + count].copy_from_slice(&owned[..count]);
        lane.give_back(owned);
        Ok(count as u32)
    }

    /// Which driver, why, and what it can do.
    #[napi]
    pub fn capabilities(&self) -> Result<CapabilitiesObject> {
        let guard = self.state.lane.borrow();
        Ok(report::capabilities(guard.as_ref().ok_or_else(closed)?))
    }

    /// The counters.
    #[napi]
    pub fn metrics(&self) -> Result<MetricsObject> {
        let mut guard = self.state.lane.borrow_mut();
        Ok(report::metrics(guard.as_mut().ok_or_else(closed)?))
    }

    /// Ends the lane: waits a moment for the kernel, joins the threads. How many ops the kernel
    /// still holds; their memory is left to it.
    #[napi]
    pub fn close(&self) -> u32 {
        self.state.shut_down()
    }
}

/// An error that TypeScript takes apart again: `errno|what`.
fn native_error(error: wakering_core::Error, what: &str) -> Error {
    Error::from_reason(format!("{}|{what}", error.to_result()))
}
