//! Many want to know the same at once: one asks for all, and nobody waits for more than the answer to one question.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// Those who want to know the same of somebody who may take long to answer, or may never. One at a time asks.
///
/// Questions are numbered. Whoever waits for its turn is served by a question that was put after it came, as by its own: the
/// answer knows all that was so when it came. And it gives up once somebody's question was in vain meanwhile, since its own
/// would be too: if each put its own, the last of them would wait as many times as long as there are others.
///
/// A question that is given up, because whoever asked went away, was neither answered nor in vain, unless that one tells
/// otherwise: the next one asks.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    one: Mutex<()>,
    /// The numbers of the last question that was put, of the last that was answered, and of the last that was in vain.
    begun: AtomicU64,
    answered: AtomicU64,
    in_vain: AtomicU64,
}

/// The turn of one who may ask. The next has its turn when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    asking: &'a Asking,
    number: u64,
    since: Since,
    _one: MutexGuard<'a, ()>,
}

/// What happened while somebody waited for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// Nothing that counts for it.
    Nothing,
    /// A question was answered that was put after it came.
    Answered,
    /// A question was in vain, whenever it was put.
    InVain,
}

impl Asking {
    /// Waits for the turn.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        let (begun, in_vain) = (self.begun.load(Ordering::SeqCst), self.in_vain.load(Ordering::SeqCst));
        let one = self.one.lock().await;
        let since = if self.in_vain.load(Ordering::SeqCst) > in_vain {
            Since::InVain
        } else if self.answered.load(Ordering::SeqCst) > begun {
            Since::Answered
        } else {
            Since::Nothing
        };
        self.begin(one, since)
    }

    /// The turn, if nobody else has it.
    pub(crate) fn try_turn(&self) -> Option<Turn<'_>> {
        self.one.try_lock().ok().map(|one| self.begin(one, Since::Nothing))
    }

    fn begin<'a>(&'a self, one: MutexGuard<'a, ()>, since: Since) -> Turn<'a> {
        Turn { asking: self, number: self.begun.fetch_add(1, Ordering::SeqCst) + 1, since, _one: one }
    }
}

impl Turn<'_> {
    /// What happened while this was waited for.
    pub(crate) const fn since(&self) -> Since {
        self.since
    }

    /// Says to those who wait what came of the question that was put in this turn.
    pub(crate) fn tell<T, E>(&self, answer: &Result<T, E>) {
        let last = if answer.is_ok() { &self.asking.answered } else { &self.asking.in_vain };
        last.store(self.number, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;

    const ANSWERED: Result<(), ()> = Ok(());
    const IN_VAIN: Result<(), ()> = Err(());

    /// The turn of one who waits, if it has come.
    fn come<'a>(waits: &mut Pin<&mut impl Future<Output = Turn<'a>>>) -> Option<Turn<'a>> {
        match waits.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn who_came_before_a_question_was_put_is_served_by_it_and_who_came_after_asks() {
        let asking = Asking::default();
        let first = asking.try_turn().unwrap();
        let (mut second, mut third) = (pin!(asking.turn()), pin!(asking.turn()));
        assert!(come(&mut second).is_none() && come(&mut third).is_none() && asking.try_turn().is_none());
        first.tell(&ANSWERED);
        drop(first);
        let second = come(&mut second).unwrap();
        assert_eq!(second.since(), Since::Nothing, "it came after the first had asked");
        let mut fourth = pin!(asking.turn());
        assert!(come(&mut fourth).is_none());
        second.tell(&ANSWERED);
        drop(second);
        let third = come(&mut third).unwrap();
        assert_eq!(third.since(), Since::Answered);
        drop(third);
        assert_eq!(come(&mut fourth).unwrap().since(), Since::Nothing, "it came after the second had asked");
    }

    #[test]
    fn a_question_in_vain_is_enough_for_all_who_wait_and_for_nobody_who_comes_after() {
        let asking = Asking::default();
        let first = asking.try_turn().unwrap();
        let (mut second, mut third) = (pin!(asking.turn()), pin!(asking.turn()));
        assert!(come(&mut second).is_none() && come(&mut third).is_none());
        first.tell(&IN_VAIN);
        let mut fourth = pin!(asking.turn());
        assert!(come(&mut fourth).is_none());
        drop(first);
        for waits in [&mut second, &mut third] {
            assert_eq!(come(waits).unwrap().since(), Since::InVain);
        }
        assert_eq!(come(&mut fourth).unwrap().since(), Since::Nothing);
        assert_eq!(asking.try_turn().unwrap().since(), Since::Nothing);
    }

    #[test]
    fn who_goes_away_while_it_asks_or_waits_leaves_the_turn_to_the_next() {
        let asking = Asking::default();
        let first = asking.try_turn().unwrap();
        let mut last = pin!(asking.turn());
        {
            let mut gone = pin!(asking.turn());
            assert!(come(&mut gone).is_none() && come(&mut last).is_none());
        }
        drop(first);
        assert_eq!(come(&mut last).unwrap().since(), Since::Nothing);
    }
}
