//! Allreduce: a long vector goes in tiles, one after another, each as the plan of its length says. What is received of a tile is still in
//! the cache when it is added up, and is all the memory that an exchange takes beside the values.

use crate::chooser::Chooser;
use crate::chunks::tiles;
use crate::config::CollectiveError;
use crate::gang::Gang;
use crate::manifest::Manifest;
use crate::nodes::{Contribution, within};
use crate::plan::{Algorithm, Group, Plan};
use crate::ring::Ring;
use crate::rounds::{Opening, RoundWork, Tile};
use crate::sparse::{SparsePacket, Stack};
use candlewick_protocol::rows::SparseRows;

/// What [`crate::Collective::all_reduce`] brings beside the values; the same on every trainer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// False where no shard had rows; the values are untouched then.
    pub present: bool,
    /// By shard, all of them: its scalars, `None` where the shard had no rows.
    pub scalars: Vec<Option<Vec<f64>>>,
}

/// Memory that is kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    manifest: Manifest,
    pub(crate) chooser: Chooser,
    /// By algorithm that was used.
    ways: Vec<Way>,
    /// What the ring brings.
    received: Vec<f32>,
    /// Rows of tables on their way to every rank, and my sums on their way to all.
    packets: Vec<SparsePacket>,
    result: SparsePacket,
    /// My rows of all nodes, table after table of every node.
    rows: Vec<SparseRows>,
    stack: Stack,
}

/// Plans that are kept: of whole tiles and of last ones, of all vectors that are added up in a step.
const PLANS: usize = 64;

/// The plans of an algorithm and the memory to carry them out, kept from step to step.
#[derive(Debug)]
struct Way {
    algorithm: Algorithm,
    levels: Vec<Vec<Group>>,
    /// By length of the tile.
    plans: Vec<Plan>,
    rounds: Vec<RoundWork>,
}

impl Way {
    /// The kept one, taken out; the caller puts it back.
    fn take(gang: &Gang, algorithm: Algorithm, buffers: &mut Buffers) -> Self {
        match buffers.ways.iter().position(|way| way.algorithm == algorithm) {
            Some(at) => buffers.ways.swap_remove(at),
            None => Way {
                algorithm,
                levels: gang.shape.levels(algorithm),
                plans: Vec::new(),
                rounds: Vec::new(),
            },
        }
    }

    /// The plan for a tile, and the memory of its rounds.
    fn plan(&mut self, gang: &Gang, length: usize) -> (&Plan, &mut [RoundWork]) {
        let known = self.plans.iter().position(|plan| plan.length == length);
        let at = known.unwrap_or_else(|| {
            if self.plans.len() == PLANS {
                self.plans.remove(0);
            }
            let plan = Plan::new(&gang.shape, &self.levels, gang.config.rank, length);
            self.plans.push(plan);
            self.plans.len() - 1
        });
        let plan = &self.plans[at];
        self.rounds.resize_with(plan.rounds.len(), RoundWork::default);
        (plan, &mut self.rounds)
    }
}

/// The sum over all trainers; without values and tables one that says who has what.
pub(crate) fn reduce(
    gang: &Gang,
    step: u64,
    own: &Contribution<'_>,
    (out, tables): (&mut [f32], &mut [SparseRows]),
    buffers: &mut Buffers,
) -> Result<Reduced, CollectiveError> {
    let algorithm = buffers.chooser.algorithm(gang, out.len(), tables.len());
    let mut manifest = std::mem::take(&mut buffers.manifest);
    manifest
        .begin(gang, own, out.len(), tables)
        .map_err(CollectiveError::of)?;
    let what = format!("allreduce, step {step}");
    let present = if algorithm == Algorithm::Ring {
        let ring = Ring {
            gang,
            step,
            what: &what,
        };
        ring.reduce(own, out, &mut manifest, &mut buffers.received)?
    } else {
        let mut way = Way::take(gang, algorithm, buffers);
        let parts = (out, tables);
        let present = by_tree(
            (gang, step, &what),
            own,
            parts,
            (&mut manifest, &mut way),
            buffers,
        )?;
        buffers.ways.push(way);
        present
    };
    let scalars = std::mem::take(&mut manifest.scalars);
    buffers.manifest = manifest;
    Ok(Reduced { present, scalars })
}

/// All tiles in the order of the tree; false where nobody has anything.
fn by_tree(
    (gang, step, what): (&Gang, u64, &str),
    own: &Contribution<'_>,
    (mut out, tables): (&mut [f32], &mut [SparseRows]),
    (manifest, way): (&mut Manifest, &mut Way),
    buffers: &mut Buffers,
) -> Result<bool, CollectiveError> {
    let ranks = gang.config.members.len();
    let spreads = !out.is_empty() || !tables.is_empty();
    if !tables.is_empty() {
        buffers.packets.resize_with(ranks, SparsePacket::default);
        for (owner, packet) in buffers.packets.iter_mut().enumerate() {
            pack(own, tables.len(), (owner, ranks), packet);
        }
    }
    let mut opening = Opening {
        manifest,
        packets: if tables.is_empty() { &[] } else { &buffers.packets },
        tables,
        rows: &mut buffers.rows,
        stack: &mut buffers.stack,
        result: &mut buffers.result,
    };
    let mut values: Vec<&[f32]> = Vec::with_capacity(own.nodes.len());
    for (number, range) in tiles(out.len(), way.algorithm.tile(ranks)).enumerate() {
        let (part, rest) = out.split_at_mut(range.len());
        values.clear();
        values.extend(within(own, &range));
        let (plan, work) = way.plan(gang, range.len());
        let tile = Tile {
            gang,
            step,
            what,
            plan,
            number,
        };
        let opening = (number == 0).then_some(&mut opening);
        if !tile.run(&values, part, opening, work, spreads)? {
            return Ok(false);
        }
        out = rest;
    }
    Ok(true)
}

/// The rows of my nodes that a rank owns, table after table of every node.
fn pack(own: &Contribution<'_>, tables: usize, owner: (usize, usize), packet: &mut SparsePacket) {
    packet.clear();
    for node in own.nodes {
        for at in 0..tables {
            match node.tables.get(at).filter(|_| node.values.is_some()) {
                Some(rows) => packet.push_owned(rows, owner),
                None => packet.push_none(),
            }
        }
    }
}
