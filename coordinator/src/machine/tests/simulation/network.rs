//! The simulated network. Between two there is a stream that keeps the order of its words, as TCP does. What the rules say twice
//! or may miss is also lost now and then, and comes a second time, late and out of order.

use super::trainer::Word;
use super::{BTreeMap, Happening, Random, Simulation, ToCoordinator, ToTrainer};

/// How often words are lost or come twice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    #[default]
    Calm,
    Unsteady,
    /// Most of what may come twice does. No more is lost: what is lost for long counts as a silence, which is a fault of its own.
    Echoing,
}

impl Weather {
    pub(super) fn choose(random: &mut Random) -> Self {
        match random.below(4) {
            0 | 1 => Weather::Calm,
            2 => Weather::Unsteady,
            _ => Weather::Echoing,
        }
    }

    /// One in so many comes twice.
    fn doubles(self) -> u64 {
        if self == Weather::Echoing { 2 } else { 20 }
    }
}

#[derive(Debug, Default)]
pub(super) struct Network {
    /// When the last word between two was delivered.
    delivered: BTreeMap<(String, String), u64>,
    /// Until when nothing passes between two.
    cuts: BTreeMap<(String, String), u64>,
    /// Whether words are lost and doubled.
    pub(super) weather: Weather,
    /// Until when the coordinator does nothing.
    pub(super) stalled_until: u64,
    /// What is for it then.
    held_up: Vec<Happening>,
}

/// True for what the sender says again until it is answered, or is right without.
fn may_be_lost(happening: &Happening) -> bool {
    match happening {
        Happening::ToTrainer(_, Word::Said(said)) => {
            matches!(said, ToTrainer::BeatAck { .. } | ToTrainer::Halt { .. })
        }
        Happening::ToCoordinator(_, told, _) => {
            matches!(**told, ToCoordinator::Beat { .. } | ToCoordinator::Halted { .. })
        }
        _ => false,
    }
}

/// What may come twice, in any order.
fn doubled(happening: &Happening) -> Option<Happening> {
    match happening {
        Happening::ToTrainer(id, Word::Said(said)) => {
            let may = matches!(
                said,
                ToTrainer::BeatAck { .. } | ToTrainer::Halt { .. } | ToTrainer::Start { .. }
            );
            may.then(|| Happening::ToTrainer(id.clone(), Word::Said(said.clone())))
        }
        Happening::ToCoordinator(id, told, _) => {
            let may = matches!(
                **told,
                ToCoordinator::Halted { .. } | ToCoordinator::Ready { .. } | ToCoordinator::Epoch { .. }
            );
            may.then(|| Happening::ToCoordinator(id.clone(), told.clone(), Vec::new()))
        }
        _ => None,
    }
}

impl Simulation {
    /// Sends a word that arrives after those that were sent before between the same two.
    pub(super) fn send(&mut self, from: &str, to: &str, happening: Happening) {
        let weather = self.network.weather;
        if weather != Weather::Calm {
            if may_be_lost(&happening) && self.random.one_in(30) {
                return self.note(|| format!("{happening:?} is lost").chars().take(120).collect());
            }
            if let Some(again) = doubled(&happening).filter(|_| self.random.one_in(weather.doubles())) {
                let delay = 1 + self.random.below(5_000);
                self.at(delay, again);
            }
        }
        let slow = if self.random.one_in(50) { 3_000 } else { 20 };
        let ends = (from.to_owned(), to.to_owned());
        let open = self.network.cuts.get(&ends).copied().unwrap_or_default();
        let earliest = self.now.max(open) + 1 + self.random.below(slow);
        let last = self.network.delivered.entry(ends).or_default();
        let at = earliest.max(*last);
        *last = at;
        let delay = at - self.now;
        self.at(delay, happening);
    }

    /// Nothing passes between two from now on; it arrives later.
    pub(super) fn cut(&mut self, one: &str, other: &str, millis: u64) {
        let until = self.now + millis;
        for (from, to) in [(one, other), (other, one)] {
            let cut = self.network.cuts.entry((from.to_owned(), to.to_owned()));
            let cut = cut.or_default();
            *cut = until.max(*cut);
        }
    }

    /// What concerns the coordinator waits while it stands still, and keeps its order.
    pub(super) fn unless_stalled(&mut self, happening: Happening) -> Option<Happening> {
        let others = matches!(
            happening,
            Happening::Wake(_)
                | Happening::ToTrainer(..)
                | Happening::Fault(_)
                | Happening::Moves(_)
                | Happening::GoesOn
        );
        let stalled = self.now < self.network.stalled_until || !self.network.held_up.is_empty();
        if others || !stalled {
            return Some(happening);
        }
        if self.network.held_up.is_empty() {
            self.at(self.network.stalled_until - self.now, Happening::GoesOn);
        }
        self.network.held_up.push(happening);
        None
    }

    /// The coordinator goes on where it does not stand still for longer.
    pub(super) fn goes_on(&mut self) {
        if self.now < self.network.stalled_until {
            return self.at(self.network.stalled_until - self.now, Happening::GoesOn);
        }
        for happening in std::mem::take(&mut self.network.held_up) {
            self.happen(happening);
            self.perform();
        }
    }
}
