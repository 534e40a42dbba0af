//! The gang of one generation and what it does together.

use crate::config::CollectiveError;
use crate::connect::{Peer, connect_all, name_of};
use crate::exchange::{Incoming, Outgoing, Wait, drive, take_leave};
use crate::frame::{Kind, Place, encode, job_tag};
use crate::gather::gather;
use crate::reduce::{Buffers, Mine, reduce};
use crate::shards;
use crate::{Abort, Config, Listener};
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::cover;
use candlewick_protocol::{ErrorKind, Failure};

/// Longest text of [`Collective::all_equal`], tag included.
const MAX_TEXT: usize = 4096;

/// A node of the reduction tree over the shards `[lo, hi)`: one of the maximal nodes of this trainer's range.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
    /// Its values; `None` where no shard under it has rows.
    pub values: Option<&'a [f32]>,
    /// The rows of tables that it has beside them; not looked at where there are no values.
    pub tables: &'a [SparseRows],
}

/// What [`Collective::reduce`] brings beside the values; the same on every trainer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// False where no shard had rows; the values are untouched then.
    pub present: bool,
    /// By shard, all of them: its scalars, `None` where the shard had no rows.
    pub scalars: Vec<Option<Vec<f64>>>,
}

/// The connections of one generation. They close when it is dropped. After an error it is of no more use.
#[derive(Debug)]
pub struct Collective {
    pub(crate) config: Config,
    pub(crate) peers: Vec<Peer>,
    /// By rank, the nodes that member sends.
    pub(crate) covers: Vec<Vec<(u32, u32)>>,
    pub(crate) shards: u32,
    abort: Abort,
    job: u64,
    texts: u64,
    broken: Option<Failure>,
    buffers: Buffers,
}

impl Collective {
    /// Connects to all members of the generation: dials the lower ranks, takes the connections of the higher ones. A
    /// gang of one opens none.
    ///
    /// # Errors
    /// `Unavailable` naming the trainer that cannot be reached or did not connect in time, `Unauthenticated` where it
    /// did not prove that it knows the job's secret, `Cancelled` after an abort, `Internal` where the members are no
    /// gang.
    pub fn connect(listener: &Listener, config: Config, abort: Abort) -> Result<Self, CollectiveError> {
        let shards = check_members(&config).map_err(CollectiveError::of)?;
        let peers = connect_all(listener, &config, &abort)?;
        let covers = config
            .members
            .iter()
            .map(|member| cover(member.lo, member.hi, shards))
            .collect();
        let credentials = listener.credentials();
        Ok(Collective {
            abort,
            covers,
            shards,
            job: job_tag(&credentials.key, &credentials.job),
            texts: 0,
            broken: None,
            buffers: Buffers::default(),
            peers,
            config,
        })
    }

    /// Adds up the nodes of all trainers in the order of the tree into `out`, the same bits on every trainer; and
    /// their tables, of which only the rows that some node has are sent, into `tables`. A row that only one side of a
    /// sum has is copied.
    ///
    /// `nodes` are the maximal nodes of this trainer's shard range (`protocol::tree::cover`), in order; `scalars` are
    /// (shard, values) of its shards, `None` or left out where a shard has no rows, and reach every trainer as they
    /// are. Every trainer calls this with the same `step`, length of `out` and shapes of `tables`; what rows these had is
    /// forgotten.
    ///
    /// # Errors
    /// Names the trainer that was silent, broke its connection or sent something else; `Cancelled` after an abort.
    pub fn reduce(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[Node<'_>],
        out: &mut [f32],
        tables: &mut [SparseRows],
    ) -> Result<Reduced, CollectiveError> {
        self.check_usable()?;
        let mut buffers = std::mem::take(&mut self.buffers);
        let outcome = reduce(self, step, &Mine { scalars, nodes }, (out, tables), &mut buffers);
        self.buffers = buffers;
        self.note(outcome)
    }

    /// All shards' numbers, by shard, on every trainer: `own` are those of this trainer's shards, `None` or left out
    /// where a shard has none. Every trainer calls this with the same `step` and `sequence`, the number of the
    /// exchange within the step, also one without rows.
    ///
    /// # Errors
    /// As [`Collective::reduce`].
    pub fn exchange(
        &mut self,
        step: u64,
        sequence: u32,
        own: &[(u32, Option<Vec<f64>>)],
    ) -> Result<Vec<Option<Vec<f64>>>, CollectiveError> {
        self.check_usable()?;
        let outcome = shards::exchange(self, step, sequence, own);
        self.note(outcome)
    }

    /// Fails unless `value` is the same on all trainers; the message names two hosts that differ. `tag` says what it
    /// is ("state after epoch 3") and must be the same everywhere.
    ///
    /// # Errors
    /// `JobFailed` on a difference; else as [`Collective::reduce`].
    pub fn all_equal(&mut self, tag: &str, value: &str) -> Result<(), CollectiveError> {
        self.check_usable()?;
        let outcome = self.compare(tag, value);
        self.note(outcome)
    }

    /// What every trainer has, one trainer after another by rank: the same list everywhere. Every trainer calls this at
    /// the same point; `what` says for messages what it is.
    ///
    /// A trainer holds all of it, and while it is exchanged the others' part twice.
    ///
    /// # Errors
    /// As [`Collective::reduce`].
    pub fn gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, CollectiveError> {
        self.check_usable()?;
        let outcome = gather(self, what, mine);
        self.note(outcome)
    }

    fn check_usable(&self) -> Result<(), CollectiveError> {
        match &self.broken {
            None => Ok(()),
            Some(failure) => {
                let message = format!(
                    "the gang of generation {} is broken: {failure}",
                    self.config.generation
                );
                Err(CollectiveError::of(Failure::new(failure.kind, message)))
            }
        }
    }

    /// After an error the streams may stand in the middle of a frame.
    fn note<T>(&mut self, outcome: Result<T, CollectiveError>) -> Result<T, CollectiveError> {
        if let Err(error) = &outcome {
            self.broken = Some(error.failure.clone());
            self.peers.clear();
        }
        outcome
    }

    pub(crate) fn place(&self, step: u64, kind: Kind, chunk: usize) -> Place {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a rank is below the number of shards, a u32"
        )]
        let chunk = chunk as u32;
        Place {
            job: self.job,
            generation: self.config.generation,
            step,
            kind,
            chunk,
        }
    }

    /// The place of the next exchange that belongs to no step.
    pub(crate) fn next_place(&mut self, kind: Kind) -> Place {
        let place = self.place(self.texts, kind, 0);
        self.texts += 1;
        place
    }

    /// Exchanges with all peers; on an error the others are told why before the connections close.
    pub(crate) fn drive(
        &self,
        outgoing: &mut [Outgoing<'_>],
        incoming: &mut [Incoming<'_>],
        what: &str,
        flush: bool,
    ) -> Result<(), CollectiveError> {
        let wait = Wait {
            what,
            timeout: self.config.timeout,
            abort: &self.abort,
            flush,
        };
        let outcome = drive(&self.peers, outgoing, incoming, &wait);
        match &outcome {
            // After an abort the coordinator has told all of them.
            Err(error) if error.failure.kind != ErrorKind::Cancelled => self.say_goodbye(error, outgoing),
            _ => {}
        }
        outcome
    }

    fn say_goodbye(&self, error: &CollectiveError, outgoing: &[Outgoing<'_>]) {
        let blamed = error.peer.as_deref().unwrap_or_default();
        let text: String = error.failure.message.chars().take(1000).collect();
        let meta = format!("{blamed}\n{text}");
        let head = encode(&self.place(0, Kind::Goodbye, 0), meta.len(), 0);
        let frame = [head.as_slice(), meta.as_bytes()].concat();
        take_leave(&self.peers, outgoing, &frame, error.peer.as_deref());
    }

    fn compare(&mut self, tag: &str, value: &str) -> Result<(), CollectiveError> {
        let what = format!("comparing {tag}");
        let meta = format!("{tag}\n{value}");
        if meta.len() > MAX_TEXT {
            let message = format!(
                "a text of {} bytes to compare, at most {MAX_TEXT} are legal",
                meta.len()
            );
            return Err(CollectiveError::of(Failure::internal(message)));
        }
        let place = self.next_place(Kind::Text);
        let head = encode(&place, meta.len(), 0);
        let mut outgoing: Vec<Outgoing<'_>> = Vec::with_capacity(self.peers.len());
        let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(self.peers.len());
        for _ in &self.peers {
            let mut parts = Outgoing::default();
            parts.push(&head);
            parts.push(meta.as_bytes());
            outgoing.push(parts);
            incoming.push(Incoming::new(place, &mut []));
        }
        self.drive(&mut outgoing, &mut incoming, &what, true)?;
        let mut texts: Vec<&[u8]> = incoming.iter().map(|frame| frame.meta.as_slice()).collect();
        texts.insert(self.config.rank, meta.as_bytes());
        match texts.iter().position(|text| *text != texts[0]) {
            None => Ok(()),
            // Every trainer holds all texts, so all name the same two.
            Some(other) => Err(self.difference(&what, (0, texts[0]), (other, texts[other]))),
        }
    }

    fn difference(&self, what: &str, first: (usize, &[u8]), second: (usize, &[u8])) -> CollectiveError {
        let say = |(rank, text): (usize, &[u8])| {
            let text = String::from_utf8_lossy(text).replace('\n', " ");
            format!("{} has {text}", name_of(rank, &self.config.members[rank]))
        };
        let message = format!("{what}: {}, but {}", say(first), say(second));
        CollectiveError::of(Failure::new(ErrorKind::JobFailed, message))
    }
}

/// The members must be a gang: ranges that follow each other from 0, and a rank among them. Gives V.
fn check_members(config: &Config) -> Result<u32, Failure> {
    let mut next = 0;
    for (rank, member) in config.members.iter().enumerate() {
        if member.lo != next || member.hi < member.lo {
            return Err(Failure::internal(format!(
                "{} owns the shards {}..{}, expected them to begin at {next}",
                name_of(rank, member),
                member.lo,
                member.hi
            )));
        }
        next = member.hi;
    }
    if config.rank < config.members.len() {
        Ok(next)
    } else {
        Err(Failure::internal(format!(
            "rank {} in a gang of {}",
            config.rank,
            config.members.len()
        )))
    }
}
