//! Through all that can happen, each state once; what is found broken is told by the shortest way there.
//!
//! It is some lines and our own, since stateright brings an HTTP server for looking at what it found, and shuttle draws its
//! schedules by chance or counts ways and not states.

use std::{
    collections::{HashSet, VecDeque},
    fmt::{Debug, Write},
    hash::{DefaultHasher, Hash, Hasher},
};

/// What can happen, from a state to the next.
pub(crate) trait Model {
    type State;
    type Step: Clone + Debug;

    fn start(&self) -> Self::State;

    /// What can happen next; nothing where all is done.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;

    /// The state after a step, or what is broken there.
    fn take(&self, state: &Self::State, step: &Self::Step) -> Result<Self::State, String>;

    /// The same for two states from which the same can come, and different for any others.
    fn key(&self, state: &Self::State) -> u64;
}

/// How much there was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// Ways from a state to a next one.
    pub(crate) steps: usize,
    /// States after which nothing can happen.
    pub(crate) ends: usize,
}

/// Which of those that wait is looked at next.
#[derive(Clone, Copy)]
enum Order {
    /// The one that was found last, since a model may still be there.
    DeepFirst,
    /// The one that was found first, so that what is broken is told by the shortest way there.
    NearFirst,
}

/// Everything that can happen, or what is broken and how it came to that.
pub(crate) fn explore<M: Model>(model: &M) -> Result<Explored, String> {
    explore_in(Order::DeepFirst, model).or_else(|_| explore_in(Order::NearFirst, model))
}

fn explore_in<M: Model>(order: Order, model: &M) -> Result<Explored, String> {
    let start = model.start();
    let mut known = HashSet::from([model.key(&start)]);
    // Of each state: the one before it, and the step from there.
    let mut ways: Vec<(usize, Option<M::Step>)> = vec![(0, None)];
    let mut waiting = VecDeque::from([(0, start)]);
    let mut explored = Explored::default();
    let next = |waiting: &mut VecDeque<_>| match order {
        Order::DeepFirst => waiting.pop_back(),
        Order::NearFirst => waiting.pop_front(),
    };
    while let Some((place, state)) = next(&mut waiting) {
        let steps = model.steps(&state);
        explored.states += 1;
        explored.ends += usize::from(steps.is_empty());
        for step in steps {
            explored.steps += 1;
            match model.take(&state, &step) {
                Ok(next) if known.insert(model.key(&next)) => {
                    ways.push((place, Some(step)));
                    waiting.push_back((ways.len() - 1, next));
                }
                Ok(_) => {}
                Err(broken) => return Err(told(&ways, place, &step, &broken)),
            }
        }
    }
    Ok(explored)
}

fn told<S: Debug>(ways: &[(usize, Option<S>)], mut place: usize, last: &S, broken: &str) -> String {
    let mut steps = vec![last];
    while let (before, Some(step)) = &ways[place] {
        steps.push(step);
        place = *before;
    }
    let mut text = format!("{broken}, after {} steps:", steps.len());
    for step in steps.iter().rev() {
        let _ = write!(text, "\n  {step:?}");
    }
    text
}

/// A number that two states share only if they are the same: of a million, two that are not do once in ten million runs.
pub(crate) fn key_of(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
