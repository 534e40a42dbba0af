//! What the gang of one generation does together.

use crate::chooser::Exchanged;
use crate::config::{CollectiveError, Config, Halts};
use crate::connect::connect_all;
use crate::frame::{Kind, job_tag};
use crate::gang::{Gang, check_members};
use crate::gather::{broadcast, gather};
use crate::listener::Listener;
use crate::nodes::{Contribution, Node};
use crate::peer::name_of;
use crate::plan::forecast::Forecast;
use crate::plan::times::Speeds;
use crate::probe::measure;
use crate::reduce::{Buffers, Reduced, reduce};
use crate::shards;
use crate::words;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::{ErrorKind, Failure};
use std::time::{Duration, Instant};

/// Longest text of [`Collective::all_equal`], tag included.
const MAX_TEXT: usize = 4096;

/// The connections of one generation. They close when it is dropped. After an error it is of no more use.
#[derive(Debug)]
pub struct Collective {
    gang: Gang,
    broken: Option<Failure>,
    buffers: Buffers,
}

impl Collective {
    /// Connects to all members of the generation: dials the lower ranks, takes the connections of the higher ones. A
    /// gang of one opens none. Where no algorithm is set, it takes some milliseconds to measure the links.
    ///
    /// # Errors
    /// `Unavailable` naming the trainer that cannot be reached or did not connect in time, `Unauthenticated` where it
    /// did not prove that it has the job's key, `Cancelled` where `halts` says that the generation is over, `Internal` where the members are no gang.
    pub fn connect(listener: &Listener, config: Config, halts: &Halts) -> Result<Self, CollectiveError> {
        let shards = check_members(&config).map_err(CollectiveError::of)?;
        let halt = halts.token(config.generation);
        let peers = connect_all(listener, &config, &halt)?;
        let credentials = listener.credentials();
        let job = job_tag(&credentials.key, &credentials.job);
        let measures = config.algorithm.is_none() && config.members.len() > 1;
        let mut gang = Gang::new(config, shards, peers, job, halt);
        let mut buffers = Buffers::default();
        if measures {
            buffers.chooser.speeds = Some(measure(&mut gang)?);
        }
        Ok(Collective {
            gang,
            broken: None,
            buffers,
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
    /// Names the trainer that was silent, broke its connection or sent something else; `Cancelled` after a halt.
    pub fn all_reduce(
        &mut self,
        step: u64,
        scalars: &[(u32, Option<Vec<f64>>)],
        nodes: &[Node<'_>],
        out: &mut [f32],
        tables: &mut [SparseRows],
    ) -> Result<Reduced, CollectiveError> {
        self.check_usable()?;
        let own = Contribution { scalars, nodes };
        let (began, size) = (Instant::now(), (out.len(), tables.len()));
        let outcome = reduce(&self.gang, step, &own, (out, tables), &mut self.buffers);
        self.buffers.chooser.took(&self.gang, size, began.elapsed());
        self.note(outcome)
    }

    /// The next sum is that of part `number` of a step's values, which are added up part by part: frames carry its last
    /// six bits. Every trainer says so.
    pub fn part(&mut self, number: u32) {
        self.gang.part = number;
    }

    /// All shards' numbers, by shard, on every trainer: `own` are those of this trainer's shards, `None` or left out
    /// where a shard has none. Every trainer calls this with the same `step` and `sequence`, the number of the
    /// exchange within the step, also one without rows.
    ///
    /// # Errors
    /// As [`Collective::all_reduce`].
    pub fn all_gather_shards(
        &mut self,
        step: u64,
        sequence: u32,
        own: &[(u32, Option<Vec<f64>>)],
    ) -> Result<Vec<Option<Vec<f64>>>, CollectiveError> {
        self.check_usable()?;
        let outcome = shards::exchange(&self.gang, step, sequence, own);
        self.note(outcome)
    }

    /// Words for each trainer by rank, from each trainer by rank, in the middle of a step: only their bits matter, and a
    /// trainer's own words come back as they are. Every trainer calls this with the same `step` and `sequence`, and takes `most`
    /// words of another at most.
    ///
    /// # Errors
    /// As [`Collective::all_reduce`].
    pub fn all_to_all(
        &mut self,
        step: u64,
        sequence: u32,
        words: Vec<Vec<f32>>,
        most: usize,
    ) -> Result<Vec<Vec<f32>>, CollectiveError> {
        self.check_usable()?;
        let outcome = words::exchange(&self.gang, (step, sequence), words, most);
        self.note(outcome)
    }

    /// This trainer's rank, and the number of trainers.
    #[must_use]
    pub fn rank(&self) -> (usize, usize) {
        (self.gang.config.rank, self.gang.config.members.len())
    }

    /// Fails unless `value` is the same on all trainers; the message names two hosts that differ. `tag` says what it
    /// is ("state after epoch 3") and must be the same everywhere.
    ///
    /// # Errors
    /// `JobFailed` on a difference; else as [`Collective::all_reduce`].
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
    /// As [`Collective::all_reduce`].
    pub fn all_gather(&mut self, what: &str, mine: &[f64]) -> Result<Vec<f64>, CollectiveError> {
        self.check_usable()?;
        let outcome = gather(&mut self.gang, what, mine);
        self.note(outcome)
    }

    /// The bytes of the trainer of rank `root`, on every other trainer: what those give is ignored, and the root itself gets
    /// nothing. Every trainer calls this at the same point; `what` says for messages what it is, and `alive` is called with each
    /// part that has come or gone, since many gigabytes to many trainers take minutes.
    ///
    /// # Errors
    /// As [`Collective::all_reduce`].
    pub fn broadcast(
        &mut self,
        what: &str,
        root: usize,
        mine: &[u8],
        alive: &dyn Fn(),
    ) -> Result<Vec<u8>, CollectiveError> {
        self.check_usable()?;
        let outcome = broadcast(&mut self.gang, what, (root, mine), alive);
        self.note(outcome)
    }

    /// To how many other trainers gradients go through shared memory, and bytes of that memory.
    #[must_use]
    pub fn shared_memory(&self) -> (usize, u64) {
        let bytes = self.gang.peers.iter().map(|peer| peer.link.shared_bytes());
        let shared = bytes.filter(|bytes| *bytes > 0);
        shared.fold((0, 0), |(peers, sum), bytes| (peers + 1, sum + bytes as u64))
    }

    /// What the links take, where it was measured; the same on every trainer.
    #[must_use]
    pub fn speeds(&self) -> Option<Speeds> {
        self.buffers.chooser.speeds
    }

    /// What its exchanges are expected to take, where the links were measured; the same on every trainer.
    #[must_use]
    pub fn forecast(&self) -> Option<Forecast> {
        let Gang { shape, config, .. } = &self.gang;
        self.speeds()
            .map(|speeds| Forecast::of(shape.clone(), speeds, config.any_order))
    }

    /// How the vectors were added up that were most of all that was exchanged, and how long that took; `None` before the
    /// first exchange.
    #[must_use]
    pub fn exchanged(&self) -> Option<&Exchanged> {
        self.buffers.chooser.most()
    }

    /// The longest silence of another trainer whose host answers.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.gang.config.patience
    }

    /// The failure of another trainer that exchanges and does nothing else, by its number among those that own shards; `why`
    /// says what it does not do.
    #[must_use]
    pub fn blame(&self, who: usize, why: &str) -> CollectiveError {
        let members = self.gang.config.members.iter().enumerate();
        let mut owners = members.filter(|(_, member)| member.lo < member.hi);
        match owners.nth(who) {
            Some((rank, member)) => {
                let message = format!("{} {why}", name_of(rank, member));
                CollectiveError::peer(&member.trainer.id, Failure::unavailable(message))
            }
            None => CollectiveError::of(Failure::internal(format!(
                "trainer {who} {why}, and owns no shards"
            ))),
        }
    }

    /// Ends the connections to all peers at once, as a network that breaks does: their exchanges fail, and so does the next
    /// one here.
    pub fn disconnect(&self) {
        for peer in &self.gang.peers {
            peer.link.disconnect();
        }
    }

    fn check_usable(&self) -> Result<(), CollectiveError> {
        match &self.broken {
            None => Ok(()),
            Some(failure) => {
                let message = format!(
                    "the gang of generation {} is broken: {failure}",
                    self.gang.config.generation
                );
                Err(CollectiveError::of(Failure::new(failure.kind, message)))
            }
        }
    }

    /// After an error the streams may stand in the middle of a frame.
    fn note<T>(&mut self, outcome: Result<T, CollectiveError>) -> Result<T, CollectiveError> {
        if let Err(error) = &outcome {
            self.broken = Some(error.failure.clone());
            self.gang.peers.clear();
        }
        outcome
    }

    fn compare(&mut self, tag: &str, value: &str) -> Result<(), CollectiveError> {
        let what = format!("comparing {tag}");
        let own = format!("{tag}\n{value}");
        if own.len() > MAX_TEXT {
            let message = format!(
                "a text of {} bytes to compare, at most {MAX_TEXT} are legal",
                own.len()
            );
            return Err(CollectiveError::of(Failure::internal(message)));
        }
        let place = self.gang.next_place(Kind::Text);
        let mut texts = self.gang.swap(place, own.as_bytes(), &what)?;
        texts.insert(self.gang.config.rank, own.into_bytes());
        match texts.iter().position(|text| *text != texts[0]) {
            None => Ok(()),
            // Every trainer holds all texts, so all name the same two.
            Some(other) => Err(self.difference(&what, (0, &texts[0]), (other, &texts[other]))),
        }
    }

    fn difference(&self, what: &str, first: (usize, &[u8]), second: (usize, &[u8])) -> CollectiveError {
        let say = |(rank, text): (usize, &[u8])| {
            let text = String::from_utf8_lossy(text).replace('\n', " ");
            format!("{} has {text}", name_of(rank, &self.gang.config.members[rank]))
        };
        let message = format!("{what}: {}, but {}", say(first), say(second));
        CollectiveError::of(Failure::new(ErrorKind::JobFailed, message))
    }
}
