//! Tasks that stay, and work whenever a round begins, so that no round pays for their spawning.
//!
//! ```text
//! leader: round ──wakes all──► members: work ──the last wakes──► leader
//! ```

use crate::one_thread::OneThread;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub struct Gang(Rc<Shared>);

struct Shared {
    round: Cell<u64>,
    working: Cell<usize>,
    members: Box<[Place]>,
    leader: Place,
}

/// Whom to wake.
#[derive(Default)]
struct Place(RefCell<Option<Waker>>);

impl Place {
    fn remember(&self, cx: &Context<'_>) {
        let mut place = self.0.borrow_mut();
        if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *place = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.0.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Gang {
    /// So many tasks, each with the work that is made for it. They never end.
    pub fn hire<L: OneThread, W: AsyncFnMut() + 'static>(
        members: usize,
        mut work_of: impl FnMut(usize) -> W,
    ) -> Self {
        let shared = Rc::new(Shared {
            round: Cell::new(0),
            working: Cell::new(0),
            members: (0..members).map(|_| Place::default()).collect(),
            leader: Place::default(),
        });
        for member in 0..members {
            let (shared, mut work) = (shared.clone(), work_of(member));
            L::detach(async move {
                for done in 0.. {
                    shared.called(member, done).await;
                    work().await;
                    shared.ready();
                }
            });
        }
        Self(shared)
    }

    /// Has each member work once.
    pub async fn round(&self) {
        let shared = &self.0;
        shared.working.set(shared.members.len());
        shared.round.set(shared.round.get() + 1);
        for member in &shared.members {
            member.wake();
        }
        poll_fn(|cx| {
            if shared.working.get() == 0 {
                return Poll::Ready(());
            }
            shared.leader.remember(cx);
            Poll::Pending
        })
        .await;
    }
}

impl Shared {
    async fn called(&self, member: usize, done: u64) {
        poll_fn(|cx| {
            if self.round.get() > done {
                return Poll::Ready(());
            }
            self.members[member].remember(cx);
            Poll::Pending
        })
        .await;
    }

    fn ready(&self) {
        self.working.set(self.working.get() - 1);
        if self.working.get() == 0 {
            self.leader.wake();
        }
    }
}
