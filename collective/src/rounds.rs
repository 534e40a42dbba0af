//! Carries a plan out: round by round a trainer gives and takes nodes of the tree and adds up what it keeps; then, backwards, it gives
//! what is finished and takes what it gave away. What describes the nodes and the scalars of the shards rides along in the first
//! tile, each with all that its sender knows by then, and so do the rows of tables, where all trainers come together at once.

use crate::chunks::carve;
use crate::config::CollectiveError;
use crate::frame::{Head, Kind, Place, bytes_of, encode};
use crate::gang::Gang;
use crate::io::{Incoming, Outgoing};
use crate::manifest::{Manifest, fits};
use crate::nodes::check_floats;
use crate::peer::Peer;
use crate::plan::{Partner, Piece, Plan, Round, Source};
use crate::shards::unreadable;
use crate::sparse::{self, SparsePacket, Stack};
use crate::tree_sum::{NodePresence, Program};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;
use std::ops::Range;

/// Memory of a round, kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct RoundWork {
    /// The nodes of all groups, and which are present.
    nodes: Vec<NodePresence>,
    /// By group, how many are.
    present: Vec<usize>,
    /// By node that there is afterwards, its sum.
    programs: Vec<Program>,
    /// By partner, its nodes.
    received: Vec<Vec<f32>>,
    /// By partner, what it gives back and has no place of its own.
    rests: Vec<Vec<f32>>,
    /// What this trainer holds of the nodes that there are afterwards, one after another.
    sums: Vec<f32>,
    scratch: Vec<f32>,
}

impl RoundWork {
    /// Takes note of who has what; mostly it is what it was in the step before.
    fn know(&mut self, round: &Round, nodes: Vec<NodePresence>) {
        if self.nodes == nodes && self.programs.len() == round.sums.len() {
            return;
        }
        let sums = round.sums.iter();
        self.programs = sums.map(|sum| Program::new(&nodes, *sum)).collect();
        let mut rest = nodes.as_slice();
        self.present.clear();
        for group in &round.nodes {
            let (own, after) = rest.split_at(group.len());
            rest = after;
            self.present
                .push(own.iter().filter(|(_, present)| *present).count());
        }
        self.nodes = nodes;
    }

    /// What this trainer holds of each node after the round; nothing of those that are absent.
    fn held(&self, round: &Round) -> Vec<&[f32]> {
        let mut rest = self.sums.as_slice();
        let programs = self.programs.iter();
        let node = programs.map(|program| {
            let (node, after) = rest.split_at(if program.is_present() { round.after } else { 0 });
            rest = after;
            node
        });
        node.collect()
    }

    fn is_present(&self) -> bool {
        self.programs.iter().any(Program::is_present)
    }

    /// The sums of what this trainer keeps: into `out`, or beside it where they are not finished.
    fn add(&mut self, round: &Round, mine: &[&[f32]], mut out: Option<&mut [f32]>) {
        let present = self.programs.iter().filter(|program| program.is_present());
        if out.is_none() {
            self.sums.resize(present.clone().count() * round.after, 0.0);
        }
        for piece in &round.pieces {
            let slices = slices((round, piece), &self.nodes, &self.received, mine);
            let width = piece.part.range.len();
            for (at, program) in present.clone().enumerate() {
                let target = match out.as_deref_mut() {
                    Some(out) => &mut out[piece.part.range.clone()],
                    None => &mut self.sums[at * round.after + piece.at..][..width],
                };
                program.run(&slices, target, &mut self.scratch);
            }
        }
    }
}

/// The values of all nodes in a piece, in their order; empty where absent.
fn slices<'a>(
    (round, piece): (&Round, &Piece),
    nodes: &[NodePresence],
    received: &'a [Vec<f32>],
    mine: &[&'a [f32]],
) -> Vec<&'a [f32]> {
    let width = piece.part.range.len();
    let mut slices = Vec::with_capacity(nodes.len());
    for (group, source) in round.nodes.iter().zip(&piece.from) {
        let mut present = 0;
        for (number, _) in group.iter().enumerate() {
            if !nodes[slices.len()].1 {
                slices.push(&[][..]);
                continue;
            }
            slices.push(match *source {
                Source::Mine => &mine[number][piece.part.at..][..width],
                Source::Partner { index, at } => {
                    let taken = round.partners[index].taken();
                    &received[index][present * taken + at..][..width]
                }
            });
            present += 1;
        }
    }
    slices
}

/// What goes out in the first half of a round.
#[derive(Clone, Copy)]
struct Gives<'a> {
    /// By node of this trainer's group, what it holds of it; empty where absent.
    mine: &'a [&'a [f32]],
    /// What the group's trainers said.
    meta: &'a [u8],
    /// By rank, the rows of tables that it owns.
    packets: &'a [SparsePacket],
}

impl<'a> Gives<'a> {
    fn packet(&self, partner: &Partner) -> (&'a [u8], &'a [f32]) {
        let packet = self.packets.get(partner.rank);
        packet.map_or((&[], &[]), |packet| (&packet.counts, &packet.floats))
    }

    /// The frame for a partner.
    fn parts(&self, partner: &Partner, head: &'a Head, peer: &Peer) -> Outgoing<'a> {
        let mut parts = Outgoing::new(peer.summed);
        let (counts, rows) = self.packet(partner);
        parts.push_head(head);
        parts.push(counts);
        parts.push(self.meta);
        for values in self.mine.iter().filter(|values| !values.is_empty()) {
            for part in &partner.gives {
                parts.push(bytes_of(&values[part.at..][..part.range.len()]));
            }
        }
        parts.push(bytes_of(rows));
        parts.push_sum();
        parts
    }
}

/// What the first tile brings beside values.
pub(crate) struct Opening<'a> {
    pub(crate) manifest: &'a mut Manifest,
    /// By rank, the rows of tables that go to it; nothing where there are no tables.
    pub(crate) packets: &'a [SparsePacket],
    pub(crate) tables: &'a mut [SparseRows],
    /// Rows of all nodes that this trainer owns, table after table of every node.
    pub(crate) rows: &'a mut Vec<SparseRows>,
    pub(crate) stack: &'a mut Stack,
    /// My sums of rows, on their way to all.
    pub(crate) result: &'a mut SparsePacket,
}

impl Opening<'_> {
    /// The sums of my rows of the tables, also as they travel.
    fn add_up_rows(&mut self, work: &RoundWork) {
        self.result.clear();
        let count = self.tables.len();
        let Some(program) = work.programs.first() else {
            return;
        };
        for (at, table) in self.tables.iter_mut().enumerate() {
            let rows = |node: usize| self.rows[node * count + at].view();
            let sum = self.stack.sum(program, table, rows);
            self.result.push(sum.view());
            table.set(sum.view());
        }
    }
}

/// A tile on its way.
pub(crate) struct Tile<'a> {
    pub(crate) gang: &'a Gang,
    pub(crate) step: u64,
    pub(crate) what: &'a str,
    pub(crate) plan: &'a Plan,
    pub(crate) number: usize,
}

impl Tile<'_> {
    /// Adds up what all trainers have: `values` are this trainer's nodes in the tile, empty where absent. False where no trainer has
    /// any. Without `spreads` nobody has values, and who has what is all that is told.
    pub(crate) fn run(
        &self,
        values: &[&[f32]],
        out: &mut [f32],
        mut opening: Option<&mut Opening<'_>>,
        work: &mut [RoundWork],
        spreads: bool,
    ) -> Result<bool, CollectiveError> {
        let rounds = &self.plan.rounds;
        for (at, round) in rounds.iter().enumerate() {
            let (below, rest) = work.split_at_mut(at);
            let mine = match below.last() {
                None => values.to_vec(),
                Some(below) => below.held(&rounds[at - 1]),
            };
            let last = at + 1 == rounds.len() && spreads;
            self.round(
                round,
                &mine,
                last.then_some(&mut *out),
                opening.as_deref_mut(),
                &mut rest[0],
            )?;
        }
        // Also of a group that has none of the values.
        let present = work[rounds.len() - 1].is_present();
        let lower = if spreads { rounds.len() - 1 } else { 0 };
        for at in (0..lower).rev() {
            let fresh = self.peers(&rounds[at]);
            let fresh = fresh.iter().map(|peer| Outgoing::new(peer.summed)).collect();
            self.spread(&rounds[at], (fresh, out), None, (&mut work[at], present))?;
        }
        Ok(present)
    }

    fn peers(&self, round: &Round) -> Vec<&Peer> {
        let partners = round.partners.iter();
        partners.map(|partner| self.gang.peer(partner.rank)).collect()
    }

    fn place(&self, kind: Kind, round: &Round, chunk: usize) -> Place {
        let number = self.number * self.plan.levels + round.level;
        let ranks = self.gang.config.members.len();
        self.gang.place(self.step, kind, number * ranks + chunk)
    }

    /// A round's first half, and where it is the last one, which has `out`, its second.
    fn round(
        &self,
        round: &Round,
        mine: &[&[f32]],
        out: Option<&mut [f32]>,
        mut opening: Option<&mut Opening<'_>>,
        work: &mut RoundWork,
    ) -> Result<(), CollectiveError> {
        let (mut meta, mut packets) = (Vec::new(), &[][..]);
        if let Some(opening) = &opening {
            meta = opening.manifest.texts(&round.groups[round.mine]).concat();
            fits(meta.len()).map_err(CollectiveError::of)?;
            packets = opening.packets;
        }
        let gives = Gives {
            mine,
            meta: &meta,
            packets,
        };
        let heads = self.heads(round, &gives);
        let frames = round.partners.iter().zip(&heads);
        let mut outgoing: Vec<Outgoing<'_>> = frames
            .map(|(partner, head)| gives.parts(partner, head, self.gang.peer(partner.rank)))
            .collect();
        let metas = self.collect(
            round,
            (&mut outgoing, out.is_none()),
            opening.as_deref_mut(),
            work,
        )?;
        if let Some(opening) = opening.as_deref_mut() {
            self.learn(round, &metas, opening, work)?;
        }
        let tables = opening.as_ref().is_some_and(|opening| !opening.tables.is_empty());
        self.check(round, tables, work)?;
        let Some(out) = out else {
            work.add(round, mine, None);
            return Ok(());
        };
        work.add(round, mine, Some(&mut *out));
        if let Some(opening) = opening.as_deref_mut() {
            opening.add_up_rows(work);
        }
        let present = work.is_present();
        self.spread(round, (outgoing, out), opening, (work, present))
    }

    /// By partner, the header of what it gets.
    fn heads(&self, round: &Round, gives: &Gives<'_>) -> Vec<Head> {
        let present = gives.mine.iter().filter(|values| !values.is_empty()).count();
        let head = |partner: &Partner| {
            let (counts, rows) = gives.packet(partner);
            let floats = present * partner.given() + rows.len();
            let place = self.place(Kind::Nodes, round, partner.rank);
            encode(&place, counts.len() + gives.meta.len(), floats)
        };
        round.partners.iter().map(head).collect()
    }

    /// Takes what the partners give; returns what they said.
    fn collect(
        &self,
        round: &Round,
        (outgoing, flush): (&mut [Outgoing<'_>], bool),
        opening: Option<&mut Opening<'_>>,
        work: &mut RoundWork,
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let place = self.place(Kind::Nodes, round, self.gang.config.rank);
        let rows = opening.as_ref().map(|opening| sparse::most(opening.tables));
        let RoundWork {
            received, present, ..
        } = work;
        received.resize_with(round.partners.len(), Vec::new);
        let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(round.partners.len());
        for (partner, buffer) in round.partners.iter().zip(received) {
            let most = match rows {
                Some(rows) => {
                    let of_node = partner.taken().saturating_add(rows);
                    round.nodes[partner.group].len().saturating_mul(of_node)
                }
                None => present[partner.group] * partner.taken(),
            };
            incoming.push(Incoming::with_rest(place, &mut [], buffer, most));
        }
        let peers = self.peers(round);
        let before = before(round.level);
        self.gang
            .drive_some(&peers, (outgoing, &mut incoming), self.what, (flush, before))?;
        Ok(incoming.into_iter().map(|frame| frame.meta).collect())
    }

    /// Reads what the partners said, and the rows of tables that they sent.
    fn learn(
        &self,
        round: &Round,
        metas: &[Vec<u8>],
        opening: &mut Opening<'_>,
        work: &mut RoundWork,
    ) -> Result<(), CollectiveError> {
        let gang = self.gang;
        let blamed = |partner: &Partner, failure: &Failure| {
            gang.peer(partner.rank)
                .protocol_error(&failure.message, self.what)
        };
        let tables = opening.tables.len();
        let mut all_counts: Vec<&[u8]> = Vec::with_capacity(metas.len());
        for (partner, meta) in round.partners.iter().zip(metas) {
            let bytes = round.nodes[partner.group].len() * tables * size_of::<u32>();
            let split = meta.split_at_checked(bytes);
            let (counts, texts) = split.ok_or_else(|| blamed(partner, &unreadable()))?;
            let learnt = opening.manifest.learn(gang, &round.groups[partner.group], texts);
            learnt.map_err(|failure| blamed(partner, &failure))?;
            all_counts.push(counts);
        }
        let groups = round.groups.iter().zip(&round.nodes);
        let nodes = groups.flat_map(|(group, nodes)| opening.manifest.present(gang, group, nodes));
        work.know(round, nodes.collect());
        if tables == 0 {
            return Ok(());
        }
        // Every group is one trainer.
        let (me, ranks) = (gang.config.rank, round.groups.len());
        let mut rows = at_least(opening.rows, work.nodes.len() * tables);
        for (group, nodes) in round.nodes.iter().enumerate() {
            let (own, after) = rows.split_at_mut(nodes.len() * tables);
            rows = after;
            let known = round
                .partners
                .binary_search_by_key(&group, |partner| partner.group);
            let Ok(at) = known else {
                let SparsePacket { counts, floats } = &opening.packets[me];
                sparse::read(counts, floats, opening.tables, (me, ranks), own)
                    .map_err(CollectiveError::of)?;
                continue;
            };
            let partner = &round.partners[at];
            let values = (work.present[group] * partner.taken()).min(work.received[at].len());
            let floats = &work.received[at][values..];
            sparse::read(all_counts[at], floats, opening.tables, (me, ranks), own)
                .map_err(|failure| blamed(partner, &failure))?;
        }
        Ok(())
    }

    /// Everybody must have sent as many values as its nodes have.
    fn check(&self, round: &Round, tables: bool, work: &RoundWork) -> Result<(), CollectiveError> {
        for (partner, values) in round.partners.iter().zip(&work.received) {
            let expected = work.present[partner.group] * partner.taken();
            let fits = values.len() == expected || (tables && values.len() > expected);
            let peer = self.gang.peer(partner.rank);
            check_floats(peer, fits, values.len(), expected, self.what)?;
        }
        Ok(())
    }

    /// A round's second half: what this trainer has of the sums, to those who gave it their part of them, and theirs.
    fn spread(
        &self,
        round: &Round,
        (outgoing, out): (Vec<Outgoing<'_>>, &mut [f32]),
        opening: Option<&mut Opening<'_>>,
        (work, present): (&mut RoundWork, bool),
    ) -> Result<(), CollectiveError> {
        let backs: Vec<Back> = round.partners.iter().map(|one| Back::of(one, present)).collect();
        let most = opening.as_ref().map_or(0, |opening| sparse::most(opening.tables));
        let metas = {
            let pieces = round.pieces.iter().map(|piece| piece.part.range.clone());
            let ranges: Vec<Range<usize>> =
                pieces.chain(backs.iter().map(|back| back.body.clone())).collect();
            let mut mine = carve(out, &ranges);
            let theirs = mine.split_off(round.pieces.len());
            let none = SparsePacket::default();
            let sums = Sums {
                mine: mine
                    .into_iter()
                    .map(|piece| &*piece)
                    .filter(|_| present)
                    .collect(),
                rows: opening.as_ref().map_or(&none, |opening| &*opening.result),
            };
            let heads: Vec<Head> = round
                .partners
                .iter()
                .map(|one| self.head_of_sums(round, one, &sums))
                .collect();
            let mut outgoing: Vec<Outgoing<'_>> = outgoing;
            for ((parts, partner), head) in outgoing.iter_mut().zip(&round.partners).zip(&heads) {
                sums.push(parts, (round, partner), head);
            }
            work.rests.resize_with(backs.len(), Vec::new);
            let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(backs.len());
            for (((partner, back), body), rest) in
                round.partners.iter().zip(&backs).zip(theirs).zip(&mut work.rests)
            {
                let place = self.place(Kind::Chunk, round, partner.rank);
                incoming.push(Incoming::with_rest(place, body, rest, back.beside + most));
            }
            let before = before(2 * self.plan.levels - 1 - round.level);
            let frames = (&mut outgoing[..], &mut incoming[..]);
            self.gang
                .drive_some(&self.peers(round), frames, self.what, (true, before))?;
            let frames = incoming.into_iter().map(|frame| (frame.floats(), frame.meta));
            frames.collect::<Vec<(usize, Vec<u8>)>>()
        };
        for ((partner, back), (floats, _)) in round.partners.iter().zip(&backs).zip(&metas) {
            let expected = back.body.len() + back.beside;
            let fits = *floats == expected || (most > 0 && *floats > expected);
            check_floats(self.gang.peer(partner.rank), fits, *floats, expected, self.what)?;
        }
        for ((partner, back), rest) in round.partners.iter().zip(&backs).zip(&work.rests) {
            back.copy(partner, rest, out);
        }
        match opening {
            Some(opening) if !opening.tables.is_empty() => self.join(round, &metas, opening, work),
            _ => Ok(()),
        }
    }

    fn head_of_sums(&self, round: &Round, partner: &Partner, sums: &Sums<'_>) -> Head {
        let values = if sums.mine.is_empty() { 0 } else { partner.taken() };
        let place = self.place(Kind::Chunk, round, self.gang.config.rank);
        encode(&place, sums.rows.counts.len(), values + sums.rows.floats.len())
    }

    /// The others' sums of rows of tables, beside mine.
    fn join(
        &self,
        round: &Round,
        metas: &[(usize, Vec<u8>)],
        opening: &mut Opening<'_>,
        work: &RoundWork,
    ) -> Result<(), CollectiveError> {
        let ranks = self.gang.config.members.len();
        let rows = at_least(opening.rows, opening.tables.len());
        for ((partner, (_, counts)), rest) in round.partners.iter().zip(metas).zip(&work.rests) {
            sparse::read(counts, rest, opening.tables, (partner.rank, ranks), rows).map_err(|failure| {
                let peer = self.gang.peer(partner.rank);
                peer.protocol_error(&failure.message, self.what)
            })?;
            for (table, part) in opening.tables.iter_mut().zip(&*rows) {
                opening.stack.join(table, part.view());
            }
        }
        Ok(())
    }
}

/// What this trainer has of the sums of a round.
struct Sums<'a> {
    /// By piece; none where nothing is present.
    mine: Vec<&'a [f32]>,
    rows: &'a SparsePacket,
}

impl<'a> Sums<'a> {
    /// Adds the frame for a partner: the pieces of which it gave its part.
    fn push(&self, parts: &mut Outgoing<'a>, (round, partner): (&Round, &Partner), head: &'a Head) {
        parts.push_head(head);
        parts.push(&self.rows.counts);
        for range in &partner.takes {
            let found = round.pieces.iter().position(|piece| piece.part.range == *range);
            if let Some(values) = found.and_then(|at| self.mine.get(at)) {
                parts.push(bytes_of(values));
            }
        }
        parts.push(bytes_of(&self.rows.floats));
        parts.push_sum();
    }
}

/// Where the sums of what this trainer gave a partner go.
struct Back {
    /// One range, into which they are read.
    body: Range<usize>,
    /// Values of several ranges, which are read beside it and then copied.
    beside: usize,
}

impl Back {
    fn of(partner: &Partner, present: bool) -> Self {
        match partner.gives.as_slice() {
            [one] if present => Back {
                body: one.range.clone(),
                beside: 0,
            },
            _ => Back {
                body: 0..0,
                beside: if present { partner.given() } else { 0 },
            },
        }
    }

    fn copy(&self, partner: &Partner, mut rest: &[f32], out: &mut [f32]) {
        if self.beside == 0 {
            return;
        }
        for part in &partner.gives {
            let (values, after) = rest.split_at(part.range.len());
            out[part.range.clone()].copy_from_slice(values);
            rest = after;
        }
    }
}

/// So many of the buffers; there may be more.
fn at_least(rows: &mut Vec<SparseRows>, count: usize) -> &mut [SparseRows] {
    rows.resize_with(count.max(rows.len()), SparseRows::default);
    &mut rows[..count]
}

/// How many rounds came before one.
fn before(rounds: usize) -> u32 {
    u32::try_from(rounds).unwrap_or(u32::MAX)
}
