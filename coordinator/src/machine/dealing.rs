//! Rounds of dealing (rule A7): rows that come often leave their home for the shards that their copies belong to. Like a round
//! of moves, but the owners of such homes send to every shard that is as it was fed, and what a shard must hold then follows
//! from the sums of the feed and from what the homes tell.

use super::{Machine, Now, Phase};
use crate::members::owners;
use candlewick_failpoint::{Fault, planted};
use candlewick_protocol::Failure;
use candlewick_protocol::dealing::{Deal, Dealing};
use candlewick_protocol::feed::{ShardSum, Winner};
use candlewick_protocol::message::{Member, ToTrainer};
use candlewick_protocol::shards::ShardSet;
use candlewick_protocol::validation::FedShard;
use std::collections::BTreeMap;

/// A trainer that deals.
#[derive(Debug)]
struct Source {
    partition: u32,
    /// Once it has answered.
    told: Option<Told>,
}

/// What a trainer says that has dealt.
#[derive(Debug)]
pub(super) struct Told {
    /// Shards that it could not reach.
    pub(super) lost: ShardSet,
    /// Of each home that is dealt: what its rows are in all that are dealt.
    pub(super) heaps: Vec<ShardSum>,
    /// Of each shard that takes rows: what of them belongs to it.
    pub(super) shares: Vec<ShardSum>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Dealings {
    /// By id.
    sources: BTreeMap<String, Source>,
    /// The number of the last such round.
    round: Option<u32>,
    /// Why the first shard was not reached in it, where one was not.
    because: Option<String>,
    /// What each shard holds once it is dealt, by its number in the feed: as it was dealt first.
    sums: BTreeMap<u32, ShardSum>,
    /// Rows of each shard that are dealt, by its number in the feed.
    heaps: BTreeMap<u32, u64>,
    /// Shards that are taken in the open round as they were fed.
    pub(super) as_fed: ShardSet,
}

impl Machine {
    /// Begins a round of dealing where a shard is as it was fed and rows are to be dealt. True where one begins.
    pub(super) fn open_dealing(&mut self, now: Now) -> bool {
        let of = |member: &Member, set: fn(&super::Trainer) -> &ShardSet| {
            let known = self.trainers.get(&member.trainer.id);
            let owned = member.lo..member.hi;
            known.map_or_else(ShardSet::default, |known| {
                set(known).filter(|shard| owned.contains(&shard))
            })
        };
        let members = self.members.iter();
        let takers: Vec<(Member, ShardSet)> = members
            .map(|member| (member.clone(), of(member, |known| &known.undealt)))
            .collect();
        if takers.iter().all(|(_, shards)| shards.is_empty()) {
            return false;
        }
        let members = self.members.iter();
        let homes: Vec<(String, ShardSet)> = members
            .map(|member| {
                let (heaped, undealt) = (
                    of(member, |known| &known.heaped),
                    of(member, |known| &known.undealt),
                );
                let deals = |home| undealt.contains(home) || !planted(Fault::DealtByNewHomes);
                (member.trainer.id.clone(), heaped.filter(deals))
            })
            .filter(|(_, homes)| !homes.is_empty())
            .collect();
        if homes.is_empty() {
            self.nothing_to_deal();
            return false;
        }
        self.say_deal(now, takers, homes);
        true
    }

    /// No row comes often: every shard stays as it was fed.
    fn nothing_to_deal(&mut self) {
        let fed = self.fed_sums().to_vec();
        self.dealings.sums = fed.into_iter().map(|sum| (sum.shard, sum)).collect();
        for trainer in self.trainers.values_mut() {
            trainer.undealt = ShardSet::default();
        }
    }

    /// OPEN to those that take rows, DEAL to those that have them.
    fn say_deal(&mut self, now: Now, takers: Vec<(Member, ShardSet)>, homes: Vec<(String, ShardSet)>) {
        self.round += 1;
        let round = self.round;
        let all: ShardSet = takers.iter().flat_map(|(_, shards)| shards.iter()).collect();
        self.log(format!("round {round}: equal rows are dealt to shards {all}"));
        self.phase = Phase::Dealing { round };
        self.restart_progress(now);
        let dealing = self.dealing();
        self.dealings.round = Some(round);
        self.dealings.because = None;
        self.dealings.as_fed = ShardSet::default();
        self.dealings.sources.clear();
        let parts = takers.iter().flat_map(|(member, shards)| {
            let ranges = shards.ranges().iter();
            ranges.map(|range| member.with_shards(range.clone()))
        });
        let owners = owners(&parts.collect::<Vec<_>>());
        for (member, shards) in takers {
            self.open_for(&member.trainer.id, shards);
        }
        for (partition, (id, homes)) in (0u32..).zip(homes) {
            let message = ToTrainer::Deal {
                round,
                owners: owners.clone(),
                partition,
                deal: Deal { dealing, homes },
            };
            self.send(&id, message);
            let source = Source {
                partition,
                told: None,
            };
            self.dealings.sources.insert(id, source);
        }
    }

    /// A trainer has dealt what it was asked to, or as much of it as it could.
    pub(super) fn on_dealt(&mut self, now: Now, from: &str, round: u32, told: Told, because: Option<String>) {
        if self.phase != (Phase::Dealing { round }) {
            return;
        }
        if let Some(because) = because {
            let why = format!("{} did not reach shards {}: {because}", self.who(from), told.lost);
            self.log(why.clone());
            self.dealings.because.get_or_insert(why);
        }
        if let Some(source) = self.dealings.sources.get_mut(from) {
            source.told = Some(told);
        }
        if let Some(trainer) = self.trainers.get_mut(from) {
            trainer.progressed = now;
        }
        self.when_all_dealt(now);
    }

    /// True where it deals and has not said that it has.
    pub(super) fn still_deals(&self, id: &str) -> bool {
        let deals = matches!(self.phase, Phase::Dealing { .. });
        let source = self.dealings.sources.get(id).filter(|_| deals);
        source.is_some_and(|source| source.told.is_none())
    }

    /// Ids of those that deal and have not said that they have.
    pub(super) fn dealers(&self) -> impl Iterator<Item = &String> {
        self.dealings.sources.keys().filter(|id| self.still_deals(id))
    }

    /// Seals the round once everybody has answered. A shard to which not all could be sent stays as it was fed, and so do all
    /// of them where one that had rows for them is lost: a later round deals to them.
    pub(super) fn when_all_dealt(&mut self, now: Now) {
        let Phase::Dealing { round } = self.phase else {
            return;
        };
        let lives = |id: &String| self.rank_of(id).is_some();
        let mut open = self
            .dealings
            .sources
            .iter()
            .filter(|(_, source)| source.told.is_none());
        if open.any(|(id, _)| lives(id)) {
            return;
        }
        let sources = std::mem::take(&mut self.dealings.sources);
        let told: Vec<&Told> = sources
            .values()
            .filter_map(|source| source.told.as_ref())
            .collect();
        let unreached: ShardSet = told.iter().flat_map(|told| told.lost.iter()).collect();
        let taken: ShardSet = self.taken().collect();
        let incomplete = if told.len() < sources.len() && !planted(Fault::DealtInPart) {
            taken.clone()
        } else {
            unreached.clone()
        };
        let complete = taken.filter(|shard| !incomplete.contains(shard));
        if let Err(failure) = self.take_sums(&told, &complete) {
            return self.fail(failure);
        }
        let winner = |source: &Source| Winner {
            partition: source.partition,
            attempt: 0,
        };
        let winners = sources.values().map(winner).collect();
        let hole = self.hole(&unreached);
        self.say_seal(now, round, winners, incomplete);
        if let Some(id) = hole {
            let why = self.dealings.because.clone();
            let cause = format!(
                "equal rows could not be dealt to {}: {}",
                self.who(&id),
                why.unwrap_or_else(|| "it did not answer".to_owned())
            );
            // Where it fails the fit, that is told as any failure is.
            let _ = self.fill_hole(now, id, &cause);
        }
    }

    /// What these shards must hold from now on: what was fed, without the rows of theirs that are dealt, and what belongs to
    /// them of those that are.
    fn take_sums(&mut self, told: &[&Told], shards: &ShardSet) -> Result<(), Failure> {
        let add = |sums: &mut dyn Iterator<Item = &ShardSum>| {
            sums.fold((0u64, 0u128), |(rows, hashes), sum| {
                (rows + sum.rows, hashes.wrapping_add(sum.hash_sum))
            })
        };
        for fed in self.fed_sums().to_vec() {
            if !shards.contains(self.logical(fed.shard)) {
                continue;
            }
            let mine = |sum: &&ShardSum| sum.shard == fed.shard;
            let heap = add(&mut told.iter().flat_map(|told| &told.heaps).filter(mine));
            let share = add(&mut told.iter().flat_map(|told| &told.shares).filter(mine));
            let rest = fed.rows.checked_sub(heap.0).ok_or_else(|| {
                Failure::internal(format!(
                    "{} rows of shard {} are to be dealt, which has {}",
                    heap.0, fed.shard, fed.rows
                ))
            })?;
            let sum = ShardSum {
                shard: fed.shard,
                rows: rest + share.0,
                hash_sum: fed.hash_sum.wrapping_sub(heap.1).wrapping_add(share.1),
            };
            let first = self.dealings.sums.entry(fed.shard).or_insert_with(|| sum.clone());
            if *first != sum {
                return Err(Failure::internal(format!(
                    "shard {} was dealt {} rows with hash sum {:032x} first, now {} with hash sum {:032x}",
                    fed.shard, first.rows, first.hash_sum, sum.rows, sum.hash_sum
                )));
            }
            self.dealings.heaps.insert(fed.shard, heap.0);
        }
        self.check_conservation()
    }

    /// Once every shard is dealt all rows are there that were fed, those that are put aside and the others each for themselves.
    fn check_conservation(&self) -> Result<(), Failure> {
        let fed = self.fed_sums();
        if self.dealings.sums.len() < fed.len() {
            return Ok(());
        }
        let total = |sums: &mut dyn Iterator<Item = &ShardSum>, validation: bool| {
            let of = sums.filter(|sum| self.numbered(sum.shard).validation == validation);
            of.fold((0u64, 0u128), |(rows, hashes), sum| {
                (rows + sum.rows, hashes.wrapping_add(sum.hash_sum))
            })
        };
        for validation in [false, true] {
            let before = total(&mut fed.iter(), validation);
            let after = total(&mut self.dealings.sums.values(), validation);
            if before != after {
                return Err(Failure::internal(format!(
                    "dealing equal rows made {} rows with hash sum {:032x} of {} with hash sum {:032x}",
                    after.0, after.1, before.0, before.1
                )));
            }
        }
        Ok(())
    }

    fn numbered(&self, number: u32) -> FedShard {
        FedShard::numbered(number, self.job.train.logical_shards)
    }

    /// The logical shard of a number in the feed.
    pub(super) fn logical(&self, number: u32) -> u32 {
        self.numbered(number).shard
    }

    /// Which rows are dealt.
    fn dealing(&self) -> Dealing {
        let rows = self.fed_sums().iter().map(|sum| sum.rows).sum();
        self.job.dealing(rows)
    }

    /// True where the open round, or the last one, is one of dealing.
    pub(super) fn round_deals(&self) -> bool {
        self.dealings.round == Some(self.round)
    }

    /// The homes of which a member deals rows to its own shards, where the round is one of dealing.
    pub(super) fn own_homes(&self, member: &Member) -> Option<ShardSet> {
        let known = self
            .trainers
            .get(&member.trainer.id)
            .filter(|_| self.round_deals())?;
        let owned = member.lo..member.hi;
        Some(known.heaped.filter(|shard| owned.contains(&shard)))
    }

    /// What those shards hold that are sealed in the open round; of others, something.
    pub(super) fn round_sums(&self) -> Vec<ShardSum> {
        let as_fed = |number: u32| self.dealings.as_fed.contains(self.logical(number));
        let sum = |fed: &ShardSum| match self.dealings.sums.get(&fed.shard) {
            Some(dealt) if !as_fed(fed.shard) => dealt.clone(),
            _ => fed.clone(),
        };
        self.fed_sums().iter().map(sum).collect()
    }

    /// What all shards hold: once all are dealt, that; before, what was fed.
    pub(super) fn known_sums(&self) -> Vec<ShardSum> {
        let fed = self.fed_sums();
        if self.dealings.sums.len() < fed.len() {
            return fed.to_vec();
        }
        self.dealings.sums.values().cloned().collect()
    }

    /// Rows of the kind that is dealt.
    pub(super) fn rows_dealt(&self) -> u64 {
        self.dealings.heaps.values().sum()
    }
}
