//! The ways that a world can go, each step at a time, and the worlds whose every way is gone.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
};

use countersign_core::{
    resource_owner::ResourceOwners,
    store::{Feed, Grants},
    token_format::TokenFormat,
};

use super::{
    super::{
        explorer::{Explored, Model, explore, key_of},
        is_large,
        turns::Fault,
    },
    Actor, LEEWAY, Process, Running, now,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// An actor goes on to its next point.
    Goes(usize, Actor),
    /// What an actor waits for is lost, on its way there or back.
    Loses(usize, Actor),
    /// A process dies with all that it does and knows, and another begins in its place.
    Dies(usize),
    /// So many seconds pass.
    Passes(u64),
}

struct World {
    format: TokenFormat,
    actors: Vec<Actor>,
    /// How many answers may be lost.
    losses: usize,
    deaths: usize,
    /// In which order seconds may pass, as often as there are entries.
    passes: Vec<u64>,
    fault: Fault,
    /// The way that was gone last.
    live: RefCell<Option<(Vec<Step>, Way)>>,
}

/// A state, as the way to it.
struct State {
    way: Vec<Step>,
    next: Vec<Step>,
    key: u64,
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Woken>,
    /// Whether it waits for another actor, and not for its turn.
    is_blocked: bool,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Task {
    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::SeqCst)
    }

    fn may_go(&self) -> bool {
        self.future.is_some() && (!self.is_blocked || self.is_woken())
    }
}

/// A way as it is gone.
struct Way {
    actors: Vec<Actor>,
    running: Arc<Running>,
    tasks: Vec<Task>,
    losses: usize,
    deaths: usize,
    /// The last first.
    passes: Vec<u64>,
}

impl Way {
    fn gone(world: &World, steps: &[Step]) -> Self {
        let mut way = Self::begin(world);
        steps.iter().for_each(|step| way.go(*step));
        way
    }

    fn begin(world: &World) -> Self {
        let running = Running::new(world.format, &world.actors, world.fault);
        let actors = world.actors.iter().enumerate();
        let tasks = actors.map(|(number, actor)| {
            let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(running.clone().act(number, *actor));
            Task { future: Some(future), woken: Arc::default(), is_blocked: false }
        });
        let tasks = tasks.collect();
        let (actors, passes) = (world.actors.clone(), world.passes.iter().rev().copied().collect());
        Self { actors, running, tasks, losses: world.losses, deaths: world.deaths, passes }
    }

    fn next(&self) -> Vec<Step> {
        let actors = || self.actors.iter().copied().enumerate();
        if self.tasks.iter().all(|task| task.future.is_none()) {
            return Vec::new();
        }
        let mut next: Vec<_> = actors()
            .filter(|(number, _)| self.tasks[*number].may_go())
            .map(|(number, actor)| Step::Goes(number, actor))
            .collect();
        let asks = |number: usize| self.running.asks[number].lock().unwrap().is_some();
        if self.losses > 0 {
            let may_lose = actors().filter(|(number, actor)| actor.is_honest_client() && asks(*number));
            next.extend(may_lose.map(|(number, actor)| Step::Loses(number, actor)));
        }
        if self.deaths > 0 {
            next.extend([Step::Dies(0), Step::Dies(1)]);
        }
        next.extend(self.passes.last().copied().map(Step::Passes));
        next
    }

    fn go(&mut self, step: Step) {
        match step {
            Step::Goes(number, _) => self.give_turn(number),
            Step::Loses(number, _) => {
                self.losses -= 1;
                self.lose(number);
            }
            Step::Dies(process) => {
                self.deaths -= 1;
                for number in 0..self.tasks.len() {
                    let asks = *self.running.asks[number].lock().unwrap();
                    if asks == Some(process) {
                        self.lose(number);
                    }
                }
                let Running { memory, turns, fault, owners_change, before, format, .. } = &*self.running;
                let anew = Running::open(memory, turns, *fault, *owners_change, before, *format);
                self.running.processes.lock().unwrap()[process] = anew;
            }
            Step::Passes(seconds) => {
                self.passes.pop();
                self.running.turns.forward(seconds);
            }
        }
    }

    fn lose(&mut self, number: usize) {
        self.running.is_lost[number].store(true, Ordering::SeqCst);
        self.give_turn(number);
    }

    fn give_turn(&mut self, number: usize) {
        let running = &self.running;
        let asks = *running.asks[number].lock().unwrap();
        let in_line = |other: &usize| {
            *other != number && self.tasks[*other].is_blocked && *running.asks[*other].lock().unwrap() == asks
        };
        let in_line = (0..self.tasks.len()).filter(in_line).count();
        let task = &mut self.tasks[number];
        let Some(mut future) = task.future.take() else { panic!("{number} is done") };
        // How often it had its turn is where it is, if nothing else tells.
        let is_verifying = matches!(self.actors[number], Actor::Calls(..) | Actor::LogsIn(_));
        let heard = asks.filter(|_| is_verifying).map(|process| running.processes.lock().unwrap()[process].keeps());
        running.turns.give(number, || running.turns.learn(&("a turn", heard)));
        loop {
            // Another each time: who hashes may be late to wake the last one.
            task.woken = Arc::default();
            let waker = Waker::from(task.woken.clone());
            let (polled, waits_for_turn) =
                running.turns.give(number, || future.as_mut().poll(&mut Context::from_waker(&waker)));
            task.is_blocked = polled.is_pending() && !waits_for_turn;
            if polled.is_ready() {
                break;
            }
            if task.is_blocked && running.turns.last_call(number) == "find_by_username" {
                // A password is hashed, which touches nothing that others see.
                while !task.is_woken() {
                    thread::yield_now();
                }
                continue;
            }
            if task.is_blocked {
                running.turns.give(number, || running.turns.learn(&in_line));
            }
            task.future = Some(future);
            break;
        }
        if let Some(process) = asks.filter(|_| is_verifying) {
            let verified = &mut running.processes.lock().unwrap()[process].verified;
            *verified = key_of(&(*verified, number, running.turns.learned(number)));
        }
    }

    /// What is the same for two ways that have come to the same.
    fn key(&self) -> u64 {
        let running = &*self.running;
        let left = (self.losses, self.deaths, self.passes.len());
        let grants = now(running.memory.list_grants(&running.before.owner.subject, None, 100)).unwrap();
        let owner = now(running.memory.find_by_subject(&running.before.owner.subject)).unwrap();
        let feed = now(running.memory.find_feed(0, 100)).unwrap();
        let rests = format!("{grants:?}{:?}{feed:?}{:?}", owner.map(|owner| owner.status), running.tokens());
        let processes: Vec<_> = running.processes.lock().unwrap().iter().map(Process::keeps).collect();
        let actors: Vec<_> = self
            .tasks
            .iter()
            .enumerate()
            .map(|(actor, task)| {
                let asks = *running.asks[actor].lock().unwrap();
                (running.turns.learned(actor), task.future.is_some(), task.is_blocked, task.may_go(), asks)
            })
            .collect();
        let journal = format!("{:?}", running.journal.lock().unwrap());
        key_of(&(rests, processes, actors, journal, running.turns.seconds(), left))
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // The futures hold what holds them.
        self.tasks.clear();
    }
}

impl World {
    fn new(format: TokenFormat, actors: &[Actor]) -> Self {
        let (actors, fault, live) = (actors.to_vec(), Fault::None, RefCell::default());
        Self { format, actors, losses: 0, deaths: 0, passes: Vec::new(), fault, live }
    }

    fn state(&self, steps: &[Step]) -> Result<State, String> {
        let (last, before) = steps.split_last().map_or((None, steps), |(last, before)| (Some(last), before));
        // The state that was reached last is still there to go on from.
        let live = self.live.borrow_mut().take().filter(|(at, _)| at == before);
        let mut way = live.map_or_else(|| Way::gone(self, before), |(_, way)| way);
        if let Some(last) = last {
            way.go(*last);
        }
        let next = way.next();
        let key = way.key();
        let broken = way.running.broken().or_else(|| {
            let is_end = way.tasks.iter().all(|task| task.future.is_none());
            if is_end { way.running.broken_at_the_end() } else { None }
        });
        match broken {
            Some(broken) => Err(broken),
            None if next.is_empty() && way.tasks.iter().any(|task| task.future.is_some()) => {
                Err("each waits for another".to_owned())
            }
            None => {
                *self.live.borrow_mut() = Some((steps.to_vec(), way));
                Ok(State { way: steps.to_vec(), next, key })
            }
        }
    }

    #[track_caller]
    fn holds(self) -> Explored {
        let explored = explore(&self).unwrap_or_else(|how| panic!("{self}: {how}"));
        println!("{self}: {explored:?}");
        assert!(explored.ends > 0, "nobody came to an end");
        explored
    }

    #[track_caller]
    fn breaks(self, what: &str) {
        let how = explore(&self).expect_err("nothing was found");
        println!("{self}: {how}\n");
        assert!(how.starts_with(what), "{how}");
        Self { fault: Fault::None, ..self }.holds();
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, actors, losses, deaths, passes, fault, .. } = self;
        write!(f, "{format:?}, {actors:?}, {losses} lost, {deaths} deaths, {passes:?} seconds, fault {fault:?}")
    }
}

impl Model for World {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        self.state(&[]).unwrap()
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        state.next.clone()
    }

    fn take(&self, state: &State, step: &Step) -> Result<State, String> {
        self.state(&[&state.way[..], &[*step]].concat())
    }

    fn key(&self, state: &State) -> u64 {
        state.key
    }
}

const FORMATS: [TokenFormat; 2] = [TokenFormat::Jwt, TokenFormat::Opaque];

#[test]
fn e3_a_store_that_looks_before_it_rotates_gives_two_successors() {
    let world = World::new(TokenFormat::Jwt, &[Actor::Renews(0), Actor::Renews(1)]);
    World { fault: Fault::LooksThenRotates, ..world }.breaks("two uses of a refresh token were answered differently");
}

#[test]
fn e13_a_store_that_looks_before_it_redeems_lets_a_disabled_owner_in() {
    let world = World::new(TokenFormat::Jwt, &[Actor::LogsIn(0), Actor::Disables(1)]);
    World { fault: Fault::LooksThenRedeems, ..world }.breaks("something lives of an owner who is disabled");
}

#[test]
fn e3_e5_of_uses_at_once_at_two_processes_each_gets_the_one_successor() {
    World::new(TokenFormat::Jwt, &[Actor::Renews(0), Actor::Renews(1), Actor::Renews(0)]).holds();
    World::new(TokenFormat::Opaque, &[Actor::Renews(0), Actor::Renews(1)]).holds();
    if is_large() {
        World::new(TokenFormat::Opaque, &[Actor::Renews(0), Actor::Renews(1), Actor::Renews(0)]).holds();
    }
}

#[test]
fn e5_e6_a_lost_answer_logs_nobody_out_whoever_dies() {
    for format in FORMATS {
        for (losses, deaths) in [(1, 0), (0, 1)] {
            let world = World::new(format, &[Actor::Renews(0)]);
            World { losses, deaths, passes: vec![LEEWAY - 1], ..world }.holds();
        }
    }
    if is_large() {
        let world = World::new(TokenFormat::Jwt, &[Actor::Renews(0)]);
        World { losses: 2, deaths: 1, passes: vec![LEEWAY - 1], ..world }.holds();
    }
    let two = World::new(TokenFormat::Opaque, &[Actor::Renews(0), Actor::Renews(1)]);
    World { losses: 1, deaths: usize::from(is_large()), ..two }.holds();
}

#[test]
fn e8_what_was_revoked_is_dead_whoever_was_renewing_it() {
    World::new(TokenFormat::Jwt, &[Actor::Renews(0), Actor::Revokes(1), Actor::Calls(0, 1)]).holds();
    World::new(TokenFormat::Opaque, &[Actor::Renews(0), Actor::Revokes(1)]).holds();
    if is_large() {
        World::new(TokenFormat::Opaque, &[Actor::Renews(0), Actor::Revokes(1), Actor::Calls(0, 1)]).holds();
    }
}

#[test]
fn e2_who_comes_after_the_leeway_ends_the_grant() {
    for format in FORMATS {
        World { passes: vec![LEEWAY], ..World::new(format, &[Actor::Renews(0), Actor::Steals(1)]) }.holds();
    }
    if is_large() {
        let world = World::new(TokenFormat::Jwt, &[Actor::Renews(0), Actor::Steals(1), Actor::Calls(0, 1)]);
        World { passes: vec![LEEWAY], ..world }.holds();
    }
}

#[test]
fn e13_a_login_in_flight_outlives_no_disabled_owner() {
    for format in FORMATS {
        let passes = if is_large() { vec![1] } else { Vec::new() };
        World { passes, ..World::new(format, &[Actor::LogsIn(0), Actor::Disables(1)]) }.holds();
    }
}

#[test]
fn f4_a_token_that_two_processes_remember_is_dead_at_once_here_and_in_the_next_second_there() {
    for format in FORMATS {
        let times = if format == TokenFormat::Jwt { 2 } else { 1 };
        for process in [0, 1] {
            let world = World::new(format, &[Actor::Calls(process, times), Actor::Revokes(1)]);
            World { passes: vec![1], ..world }.holds();
        }
        if is_large() {
            let actors = [Actor::Calls(0, 1), Actor::Calls(1, 2), Actor::Revokes(1)];
            World { passes: vec![1], ..World::new(format, &actors) }.holds();
        }
    }
}
