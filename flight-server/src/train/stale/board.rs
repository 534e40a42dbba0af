//! What a trainer knows of a round: the weights on which all agree, its own updates that wait or are under way, and how far the
//! others are. It knows no threads, no links and no time.

use candlewick_model::engine::NodeGradient;
use candlewick_protocol::asynchrony::{lag, may_begin};
use candlewick_protocol::{Failure, tree};
use std::ops::Range;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Board {
    staleness: u32,
    /// Of the round.
    steps: u64,
    owned: Range<u32>,
    /// Steps that this trainer has made, and how many of them it has told.
    made: u64,
    told: u64,
    /// By trainer: how many steps' updates are in `agreed`. And which of them is this one.
    seen: Vec<u64>,
    own: usize,
    /// Exchanges so far.
    exchanges: u64,
    /// The weights with all updates that have been exchanged: the same bits on every trainer after as many exchanges.
    agreed: Vec<f32>,
    /// Updates of this trainer that wait, where there are any.
    pending: Vec<f32>,
    waits: bool,
    /// Those that are under way, in the first of this trainer's nodes, where there are any.
    under_way: Arc<Vec<NodeGradient>>,
    flies: bool,
}

impl Board {
    /// Of a round of so many steps that starts with these weights, on trainer `rank` of so many, which owns some of the shards.
    pub(crate) fn new(
        (staleness, steps): (u32, u64),
        (rank, ranks): (usize, usize),
        (owned, shards): (Range<u32>, u32),
        weights: &[f32],
    ) -> Self {
        let mut nodes: Vec<NodeGradient> = tree::cover(owned.start, owned.end, shards)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect();
        if let Some(first) = nodes.first_mut() {
            first.values = vec![0.0; weights.len()];
        }
        Board {
            staleness,
            steps,
            owned,
            made: 0,
            told: 0,
            seen: vec![0; ranks],
            own: rank,
            exchanges: 0,
            agreed: weights.to_vec(),
            pending: vec![0.0; weights.len()],
            waits: false,
            under_way: Arc::new(nodes),
            flies: false,
        }
    }

    fn others(&self) -> impl Iterator<Item = u64> {
        let all = self.seen.iter().enumerate();
        all.filter(|(at, _)| *at != self.own).map(|(_, seen)| *seen)
    }

    /// Whether the next step may begin: the weights lack no more than the last `staleness` steps of any other trainer.
    pub(crate) fn may_begin(&self) -> bool {
        may_begin(self.made, self.others(), self.staleness)
    }

    /// Steps of which the weights lack the updates of the trainer that is furthest behind.
    pub(crate) fn lag(&self) -> u64 {
        lag(self.made, self.others())
    }

    /// The trainer that is furthest behind of the others, by its number among those that own shards, and its steps; `None` where
    /// all have made all of theirs.
    pub(crate) fn slowest(&self) -> Option<(usize, u64)> {
        let all = self.seen.iter().copied().enumerate();
        let others = all.filter(|(at, seen)| *at != self.own && *seen < self.steps);
        others.min_by_key(|(_, seen)| *seen)
    }

    /// Exchanges so far.
    pub(crate) fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// All steps of all trainers are in the weights on which they agree.
    pub(crate) fn is_over(&self) -> bool {
        self.seen.iter().all(|seen| *seen >= self.steps)
    }

    /// The weights on which all agree.
    pub(crate) fn agreed(&self) -> &[f32] {
        &self.agreed
    }

    /// The weights as this trainer knows them: those on which all agree, and its own updates that are not among them.
    pub(crate) fn view(&self, into: &mut [f32]) {
        into.copy_from_slice(&self.agreed);
        let under_way = self.under_way.first().filter(|_| self.flies);
        let waiting = self.waits.then_some(self.pending.as_slice());
        let own = under_way
            .map(|node| node.values.as_slice())
            .into_iter()
            .chain(waiting);
        for updates in own {
            into.iter_mut()
                .zip(updates)
                .for_each(|(value, update)| *value += update);
        }
    }

    /// This trainer has made a step. `add` puts what it moved the weights by on top of what waits; false where it moved nothing.
    pub(crate) fn step(&mut self, add: impl FnOnce(&mut [f32]) -> bool) {
        self.waits |= add(&mut self.pending);
        self.made += 1;
    }

    /// Whether there is something to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.made > self.told
    }

    /// An exchange begins: the nodes to send, and what this trainer tells of itself. Updates that wait are under way from now on.
    ///
    /// # Errors
    /// `Internal` where somebody still has what the last exchange sent.
    pub(crate) fn send(&mut self) -> Result<Sent, Failure> {
        let nodes = Arc::get_mut(&mut self.under_way)
            .ok_or_else(|| Failure::internal("an exchange of updates begins before the last one is over"))?;
        if let Some(first) = nodes.first_mut() {
            first.present = self.waits;
            if self.waits {
                std::mem::swap(&mut first.values, &mut self.pending);
                self.pending.fill(0.0);
            }
        }
        (self.flies, self.waits) = (self.waits, false);
        self.told = self.made;
        #[expect(clippy::cast_precision_loss, reason = "a round has few steps")]
        let told = vec![self.made as f64];
        Ok(Sent {
            nodes: Arc::clone(&self.under_way),
            told: (!self.owned.is_empty()).then_some((self.owned.start, Some(told))),
        })
    }

    /// An exchange is over: the sum of all updates that were sent, where there were any, and what the trainers tell, by shard.
    pub(crate) fn receive(&mut self, sum: Option<&[f32]>, told: &[Option<Vec<f64>>]) {
        for (value, update) in self.agreed.iter_mut().zip(sum.unwrap_or_default()) {
            *value += update;
        }
        self.flies = false;
        self.exchanges += 1;
        self.seen.clear();
        self.own = usize::MAX;
        for (shard, told) in (0u32..).zip(told) {
            let Some(steps) = told.as_ref().and_then(|told| told.first()) else {
                continue;
            };
            if self.owned.contains(&shard) {
                self.own = self.seen.len();
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of steps, told as f64"
            )]
            self.seen.push(*steps as u64);
        }
    }
}

/// What goes out with an exchange.
pub(crate) struct Sent {
    pub(crate) nodes: Arc<Vec<NodeGradient>>,
    /// Of the first shard: the steps whose updates are in it or went before it.
    pub(crate) told: Option<(u32, Option<Vec<f64>>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: u64 = 12;

    /// Boards of trainers that own two shards each.
    fn boards(trainers: usize, staleness: u32) -> Vec<Board> {
        let shards = 2 * u32::try_from(trainers).unwrap();
        (0..trainers)
            .map(|rank| {
                let first = 2 * u32::try_from(rank).unwrap();
                Board::new(
                    (staleness, STEPS),
                    (rank, trainers),
                    (first..first + 2, shards),
                    &[1.0, 2.0],
                )
            })
            .collect()
    }

    /// An exchange of all, begun in one moment and over in another, between which some make steps.
    fn exchange(boards: &mut [Board], between: impl FnOnce(&mut [Board])) {
        let sent: Vec<Sent> = boards.iter_mut().map(|board| board.send().unwrap()).collect();
        let mut told = vec![None; 2 * boards.len()];
        let mut sum: Option<Vec<f32>> = None;
        for sent in &sent {
            let (shard, own) = sent.told.clone().unwrap();
            told[shard as usize] = own;
            for node in sent.nodes.iter().filter(|node| node.present) {
                let sum = sum.get_or_insert_with(|| vec![0.0; node.values.len()]);
                sum.iter_mut()
                    .zip(&node.values)
                    .for_each(|(sum, value)| *sum += value);
            }
        }
        drop(sent);
        between(boards);
        for board in boards {
            board.receive(sum.as_deref(), &told);
        }
    }

    fn step(board: &mut Board, by: f32) {
        assert!(board.may_begin());
        board.step(|pending| {
            pending.iter_mut().for_each(|value| *value += by);
            true
        });
    }

    fn view(board: &Board) -> Vec<f32> {
        let mut view = vec![0.0; 2];
        board.view(&mut view);
        view
    }

    #[test]
    fn a_trainer_sees_its_own_updates_at_once_and_those_of_others_when_they_have_come() {
        let mut boards = boards(2, 3);
        step(&mut boards[0], 1.0);
        assert_eq!(
            (view(&boards[0]), view(&boards[1])),
            (vec![2.0, 3.0], vec![1.0, 2.0])
        );
        exchange(&mut boards, |boards| {
            // What is under way is still seen by who sent it, and steps go on.
            assert_eq!(view(&boards[0]), [2.0, 3.0]);
            step(&mut boards[0], 2.0);
            step(&mut boards[1], 10.0);
            assert_eq!(view(&boards[0]), [4.0, 5.0]);
        });
        assert_eq!(
            (view(&boards[0]), view(&boards[1])),
            (vec![4.0, 5.0], vec![12.0, 13.0])
        );
        assert_eq!(
            (boards[0].agreed(), boards[1].agreed()),
            ([2.0, 3.0].as_slice(), [2.0, 3.0].as_slice())
        );
        exchange(&mut boards, |_| ());
        for board in &boards {
            assert_eq!(
                (board.agreed(), view(board)),
                ([14.0, 15.0].as_slice(), vec![14.0, 15.0])
            );
            assert_eq!(board.exchanges(), 2);
        }
    }

    #[test]
    fn nobody_begins_a_step_without_all_but_the_last_steps_of_the_others() {
        let mut boards = boards(3, 2);
        for lag in 0..3 {
            assert_eq!(boards[0].lag(), lag);
            step(&mut boards[0], 1.0);
        }
        assert!(
            !boards[0].may_begin(),
            "three steps that the others have not made"
        );
        step(&mut boards[1], 1.0);
        exchange(&mut boards, |_| ());
        assert!(!boards[0].may_begin());
        assert_eq!(boards[0].slowest(), Some((2, 0)));
        step(&mut boards[2], 1.0);
        assert!(!boards[0].may_begin(), "it has not come yet");
        exchange(&mut boards, |_| ());
        step(&mut boards[0], 1.0);
        assert!(!boards[0].may_begin());
        assert!(boards[1].may_begin() && boards[2].may_begin());
    }

    #[test]
    fn nothing_is_sent_where_nothing_moved_and_steps_without_rows_count() {
        let mut boards = boards(2, 1);
        assert!(!boards[0].has_news());
        boards[0].step(|_| false);
        assert!(boards[0].has_news());
        let sent = boards[0].send().unwrap();
        assert!(sent.nodes.iter().all(|node| !node.present) && !boards[0].has_news());
        let again = boards[0].send().err().unwrap();
        assert!(again.message.contains("before the last one is over"), "{again}");
    }

    /// The round of trainers of which one is slow: it ends with one vector of weights, and with the updates of all steps in it.
    #[test]
    fn a_round_ends_where_all_updates_of_all_are_in_the_weights_of_all() {
        for (trainers, staleness) in [(2, 1), (3, 4), (4, 12)] {
            let mut boards = boards(trainers, staleness);
            let mut rounds = 0;
            while !boards[0].is_over() {
                rounds += 1;
                assert!(rounds < 1000, "{boards:?}");
                exchange(&mut boards, |boards| {
                    for (at, board) in boards.iter_mut().enumerate() {
                        let turns = if at == 1 { 1 } else { 1 + rounds % 5 };
                        for _ in 0..turns {
                            if board.made < STEPS && board.may_begin() {
                                step(board, 1.0);
                            }
                        }
                    }
                });
                let least = boards.iter().map(|board| board.made).min().unwrap();
                let most = boards.iter().map(|board| board.made).max().unwrap();
                assert!(most - least <= u64::from(staleness) + 1, "{most} {least}");
            }
            let moved = 12.0 * f32::from(u8::try_from(trainers).unwrap());
            for board in &boards {
                assert!(board.is_over() && board.slowest().is_none());
                assert_eq!(board.agreed(), [1.0 + moved, 2.0 + moved]);
            }
        }
    }
}
