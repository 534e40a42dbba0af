//! What the computing thread is told to do.

use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::dealing::Deal;
use candlewick_protocol::feed::{Owner, ShardSum, Winner};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::message::Member;
use candlewick_protocol::shards::ShardSet;

/// One order; they are obeyed one after another.
#[derive(Debug, Clone)]
pub enum Order {
    /// Builds what the job needs.
    Prepare(Box<JobSpec>),
    /// Keeps the winners' rows of a feed round.
    Seal {
        /// Feed round.
        round: u32,
        /// The attempt that won each partition.
        winners: Vec<Winner>,
        /// Rows and hash sums of every shard of the job.
        expected: Vec<ShardSum>,
        /// Shards that are dropped, and fed again.
        incomplete: ShardSet,
        /// Homes of which this trainer deals rows to the shards that it takes, where the round is one of dealing.
        dealt: Option<ShardSet>,
    },
    /// Sends rows to those that own them from now on.
    Move(Shift),
    /// Sends the copies of rows to the shards that they belong to (rule A7).
    Deal(Shift, Deal),
    /// Takes a saved state to go on from.
    Restore {
        /// Where it stands.
        counter: ProgramCounter,
        /// The state.
        file: Vec<u8>,
    },
    /// Connects to the members of a generation.
    Form(Formation),
    /// Begins the steps of a generation.
    Start {
        /// Which.
        generation: u64,
    },
    /// Generations up to this one are over.
    Halt {
        /// Which.
        generation: u64,
    },
}

/// Rows that move in a round.
#[derive(Debug, Clone)]
pub struct Shift {
    /// Feed round.
    pub round: u32,
    /// Who takes what.
    pub owners: Vec<Owner>,
    /// Stands for the partition in the names of the streams.
    pub partition: u32,
}

/// A generation that is to be formed.
#[derive(Debug, Clone)]
pub struct Formation {
    /// Number of the generation.
    pub generation: u64,
    /// Members by rank.
    pub members: Vec<Member>,
    /// What every shard holds.
    pub sums: Vec<ShardSum>,
    /// Where training goes on.
    pub counter: ProgramCounter,
    /// Who gives its state to those that are behind.
    pub donor: Option<String>,
    /// Shards of others that this trainer keeps beside its own.
    pub copies: ShardSet,
}
