//! The receiving side's rule.

#![forbid(unsafe_code)]

use super::Channel;
use super::error::RecvError;
use super::state::State;
use crate::sync::kind::Sharing;
use crate::sync::wait::{Enter, Entry, Gone, Rule, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::marker::PhantomData;

/// The rule of [`Channel::recv`].
#[derive(Debug)]
pub struct Receives<T, K>(PhantomData<(fn() -> T, K)>);

impl<T, K: Sharing> Receives<T, K> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }

    /// Takes an item, or fails for good.
    #[inline(always)]
    fn take(state: &mut State<T, K>, wakes: &mut WakeBatch<K>) -> Option<Result<T, RecvError>> {
        match state.take(wakes) {
            Some(item) => Some(Ok(item)),
            None => state.is_drained().then_some(Err(RecvError)),
        }
    }
}

impl<'a, T: 'a, K: Sharing> Rule<'a> for Receives<T, K> {
    type Place = Channel<T, K>;
    type Payload = ();
    type Output = Result<T, RecvError>;
    const LABEL: &'static str = "channel (recv)";
    const COSTS: bool = true;

    fn line(state: &mut State<T, K>) -> &mut WaitList<K, ()> {
        &mut state.receivers
    }

    #[inline]
    fn attempt(&mut self, channel: &'a Channel<T, K>) -> Option<Self::Output> {
        serve(channel, Self::take)
    }

    #[inline]
    fn enter(
        &mut self,
        _: &'a Channel<T, K>,
        state: &mut State<T, K>,
        _: Entry<()>,
        wakes: &mut WakeBatch<K>,
    ) -> Enter<Self::Output, ()> {
        match Self::take(state, wakes) {
            Some(result) => Enter::Done(result),
            None => Enter::Wait(()),
        }
    }

    /// The promise is redeemed now (S1). Where it came to nothing (S5), back into the line.
    #[inline]
    fn granted(&mut self, channel: &'a Channel<T, K>, (): ()) -> Result<Self::Output, ()> {
        serve(channel, |state, wakes| {
            state.promised_items -= 1;
            Self::take(state, wakes)
        })
        .ok_or(())
    }

    fn left(
        &mut self,
        _: &'a Channel<T, K>,
        state: &mut State<T, K>,
        gone: Gone<()>,
        _: &mut WakeBatch<K>,
    ) -> Option<()> {
        // Whatever was promised to it is for the next (S1).
        state.promised_items -= usize::from(gone.into_granted().is_some());
        None
    }
}
