//! Faults of a run, planned from its seed.

use super::{FAULTS_UNTIL, Happening, Random, Simulation, trainer::Word};

/// Something that goes wrong.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The process of a trainer ends.
    Crash(u64),
    /// It does nothing for so long, and goes on.
    Freeze(u64, u64),
    /// The connection between two breaks; both live.
    Break(u64, u64),
    /// Nothing passes between two for so long.
    Cut(u64, u64, u64),
    /// Nothing passes between one and the coordinator for so long.
    Alone(u64, u64),
    /// The coordinator does nothing for so long.
    Stall(u64),
}

impl Fault {
    /// Who is not heard for a while, though not for too long: twice in a run may be.
    fn silences(&self) -> Option<u64> {
        match *self {
            Fault::Freeze(victim, millis) | Fault::Alone(victim, millis) => {
                (millis < 16_000).then_some(victim)
            }
            _ => None,
        }
    }
}

/// The faults of a run.
#[derive(Debug, Default)]
pub(super) struct Faults {
    planned: Vec<(u64, Fault)>,
    /// Trainers that were taken away for good: crashed, or frozen for longer than the coordinator waits.
    pub(super) fatal: u64,
    /// Generations that faults may have cost.
    pub(super) costly: u64,
}

impl Faults {
    pub(super) fn plan(random: &mut Random, trainers: u64) -> Self {
        let mut faults = Faults::default();
        for _ in 0..random.below(5) {
            let at = if random.one_in(3) {
                random.below(3_000)
            } else {
                random.below(FAULTS_UNTIL / 6)
            };
            let victim = random.below(trainers);
            let fault = match random.below(10) {
                0..=2 => Fault::Crash(victim),
                3 => Fault::Freeze(victim, random.below(10_000)),
                4 => Fault::Freeze(victim, 16_000 + random.below(20_000)),
                5 => Fault::Cut(victim, random.below(trainers), random.below(40_000)),
                6 => Fault::Alone(victim, random.below(9_000)),
                7 => Fault::Alone(victim, 18_000 + random.below(9_000)),
                8 => Fault::Stall(random.below(5_000)),
                _ => Fault::Break(victim, random.below(trainers)),
            };
            let long = matches!(
                fault,
                Fault::Crash(_) | Fault::Freeze(_, 16_000..) | Fault::Alone(_, 16_000..)
            );
            faults.costly += 1 + u64::from(matches!(fault, Fault::Cut(..)));
            faults.fatal += u64::from(long);
            faults.planned.push((at, fault));
        }
        // Those that are not heard twice may be so for too long.
        let silent = |of: u64| {
            let times = faults
                .planned
                .iter()
                .filter(|(_, fault)| fault.silences() == Some(of));
            times.count() as u64
        };
        let stalls = faults
            .planned
            .iter()
            .filter(|(_, fault)| matches!(fault, Fault::Stall(_)));
        let stalls = stalls.count() as u64;
        let may_be_lost = |of: &u64| silent(*of) > 0 && silent(*of) + stalls > 1;
        let lost = (0..trainers).filter(may_be_lost).count() as u64;
        faults.fatal += lost;
        faults.costly += lost;
        faults
    }

    pub(super) fn take(&mut self) -> Vec<(u64, Fault)> {
        std::mem::take(&mut self.planned)
    }
}

impl Simulation {
    pub(super) fn strike(&mut self, fault: &Fault) {
        match *fault {
            Fault::Crash(index) => self.crash(&format!("t{index}")),
            Fault::Freeze(index, millis) => {
                let (now, until) = (self.now, self.now + millis);
                let Some(model) = self.models.get_mut(&format!("t{index}")) else {
                    return;
                };
                if model.frozen_until <= now {
                    model.frozen_since = now;
                }
                model.frozen_until = model.frozen_until.max(until);
                // Short ones that follow each other without a beat between are one long one, which was not planned as such.
                let together = model.frozen_since < now && model.frozen_until - model.frozen_since > 14_000;
                self.faults.fatal += u64::from(together && millis < 16_000);
            }
            Fault::Cut(one, other, millis) => {
                self.cut(&format!("t{one}"), &format!("t{other}"), millis);
            }
            Fault::Alone(one, millis) => self.cut(&format!("t{one}"), "", millis),
            Fault::Stall(millis) => {
                self.network.stalled_until = self.network.stalled_until.max(self.now + millis);
            }
            Fault::Break(one, other) => {
                let (one, other) = (format!("t{one}"), format!("t{other}"));
                let both = self.models.contains_key(&one) && self.models.contains_key(&other);
                if one != other && both {
                    for (from, to) in [(&one, &other), (&other, &one)] {
                        let generation = self.models[from].generation;
                        let word = Word::Broken(generation, from.clone());
                        self.send(from, &to.clone(), Happening::ToTrainer(to.clone(), word));
                    }
                }
            }
        }
    }

    /// A process ends: its stream and its connections end with it, and reports of it may come or not.
    pub(super) fn crash(&mut self, id: &str) {
        let Some(model) = self.models.get_mut(id).filter(|model| model.alive) else {
            return;
        };
        model.alive = false;
        let generation = model.generation;
        self.send(id, "", Happening::StreamEnds(id.to_owned()));
        if !self.random.one_in(3) {
            let delay = self.random.below(1_500);
            self.at(delay, Happening::Exited(id.to_owned()));
        }
        if self.random.one_in(3) {
            let delay = self.random.below(4_000);
            self.at(delay, Happening::ExecutorLost(id.to_owned()));
        }
        let others: Vec<String> = self.models.keys().filter(|other| *other != id).cloned().collect();
        for other in others {
            let word = Word::Broken(generation, id.to_owned());
            self.send(id, &other.clone(), Happening::ToTrainer(other, word));
        }
    }
}
