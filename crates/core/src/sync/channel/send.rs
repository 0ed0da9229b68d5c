//! The sending side's rule.

#![forbid(unsafe_code)]

use super::Channel;
use super::error::SendError;
use super::state::State;
use crate::sync::kind::Sharing;
use crate::sync::wait::{Enter, Entry, Gone, Rule, serve};
use crate::sync::wait_list::WaitList;
use crate::sync::wake_batch::WakeBatch;
use std::marker::PhantomData;

/// The rule of [`Channel::send`].
#[derive(Debug)]
pub struct Sends<T, K> {
    /// `None` once it was put, or lies in the line.
    value: Option<T>,
    /// It asks for room instead of offering its value (S2).
    asks: bool,
    kind: PhantomData<K>,
}

impl<T, K: Sharing> Sends<T, K> {
    pub(super) const fn new(value: T) -> Self {
        Self { value: Some(value), asks: false, kind: PhantomData }
    }

    /// Puts the value, or fails for good.
    #[inline]
    fn put(&mut self, state: &mut State<T, K>) -> Option<Result<(), SendError<T>>> {
        let value = self.value.take()?;
        if state.closed {
            return Some(Err(SendError(value)));
        }
        state.items.push_back(value);
        Some(Ok(()))
    }
}

impl<'a, T: 'a, K: Sharing> Rule<'a> for Sends<T, K> {
    type Place = Channel<T, K>;
    type Payload = Option<T>;
    type Output = Result<(), SendError<T>>;
    const LABEL: &'static str = "channel (send)";
    const COSTS: bool = true;

    fn line(state: &mut State<T, K>) -> &mut WaitList<K, Option<T>> {
        &mut state.senders
    }

    #[inline]
    fn attempt(&mut self, channel: &'a Channel<T, K>) -> Option<Self::Output> {
        // At capacity 0 a plain send is over when its value was taken, not when it was put.
        let may_put = channel.capacity != 0 || self.asks;
        serve(channel, |state, _| {
            (state.closed || (may_put && state.may_put())).then(|| self.put(state)).flatten()
        })
    }

    #[inline]
    fn enter(
        &mut self,
        channel: &'a Channel<T, K>,
        state: &mut State<T, K>,
        entry: Entry<Option<T>>,
        _: &mut WakeBatch<K>,
    ) -> Enter<Self::Output, Option<T>> {
        let served = match entry {
            Entry::New => state.closed || ((channel.capacity != 0 || self.asks) && state.may_put()),
            // The room that was promised is used, or given up with the channel.
            Entry::Called(_) => {
                state.promised_rooms -= 1;
                true
            }
        };
        if served && let Some(result) = self.put(state) {
            return Enter::Done(result);
        }
        if self.asks {
            return Enter::Wait(None);
        }
        state.offers += 1;
        Enter::Wait(self.value.take())
    }

    #[inline]
    fn granted(
        &mut self,
        _: &'a Channel<T, K>,
        payload: Option<T>,
    ) -> Result<Self::Output, Option<T>> {
        match payload {
            None if self.asks => Err(None),
            None => Ok(Ok(())),
            Some(value) => Ok(Err(SendError(value))),
        }
    }

    fn left(
        &mut self,
        _: &'a Channel<T, K>,
        state: &mut State<T, K>,
        gone: Gone<Option<T>>,
        _: &mut WakeBatch<K>,
    ) -> Option<Option<T>> {
        match gone {
            Gone::Waiting { payload, .. } => {
                state.offers -= usize::from(payload.is_some());
                Some(payload)
            }
            Gone::Granted(payload) => {
                state.promised_rooms -= usize::from(self.asks);
                Some(payload)
            }
        }
    }

    fn selected(&mut self) {
        self.asks = true;
    }
}
