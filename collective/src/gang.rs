//! The members of one generation and the connections to them: what every kind of exchange stands on.

use crate::config::{CollectiveError, Config, HaltToken};
use crate::frame::{Kind, Place, encode};
use crate::io::{Incoming, Outgoing, Wait, drive, send_abort};
use crate::peer::{Peer, name_of};
use crate::plan::Shape;
use candlewick_protocol::tree::cover;
use candlewick_protocol::{ErrorKind, Failure};
use std::time::Duration;

/// How much longer than the one before a round waits for a silent trainer.
const PATIENCE: Duration = Duration::from_millis(500);
/// Rounds that are waited longer for than the ones before them.
const MOST_PATIENT: u32 = 30;

/// Numbers of chunks are below 2^26; the last bits of the part's number stand above.
const PART_BITS: u32 = 26;

/// The gang as one of its members sees it.
#[derive(Debug)]
pub(crate) struct Gang {
    pub(crate) config: Config,
    pub(crate) peers: Vec<Peer>,
    /// By rank, the nodes that member sends.
    pub(crate) covers: Vec<Vec<(u32, u32)>>,
    pub(crate) shards: u32,
    /// What a plan of its exchanges follows from.
    pub(crate) shape: Shape,
    halt: HaltToken,
    job: u64,
    /// Exchanges so far that belong to no step.
    sequence: u64,
    /// Which part of a step's values is added up.
    pub(crate) part: u32,
}

impl Gang {
    /// The gang of checked members, see [`check_members`], which returned `shards`.
    pub(crate) fn new(config: Config, shards: u32, peers: Vec<Peer>, job: u64, halt: HaltToken) -> Self {
        let members = config.members.iter();
        Gang {
            covers: members
                .map(|member| cover(member.lo, member.hi, shards))
                .collect(),
            shape: Shape::of(&config.members),
            config,
            peers,
            shards,
            halt,
            job,
            sequence: 0,
            part: 0,
        }
    }

    pub(crate) fn place(&self, step: u64, kind: Kind, chunk: usize) -> Place {
        Place {
            job: self.job,
            generation: self.config.generation,
            step,
            kind,
            // A rank is below the number of shards, a u32.
            chunk: u32::try_from(chunk).unwrap_or(u32::MAX) ^ (self.part << PART_BITS),
        }
    }

    /// The place of the next exchange that belongs to no step.
    pub(crate) fn next_place(&mut self, kind: Kind) -> Place {
        let place = self.place(self.sequence, kind, 0);
        self.sequence += 1;
        place
    }

    /// Sends a description without values to all peers; returns theirs, in the order of the peers.
    pub(crate) fn swap(
        &self,
        place: Place,
        meta: &[u8],
        what: &str,
    ) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let head = encode(&place, meta.len(), 0);
        let mut outgoing: Vec<Outgoing<'_>> = Vec::with_capacity(self.peers.len());
        let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(self.peers.len());
        for peer in &self.peers {
            let mut parts = Outgoing::new(peer.summed);
            parts.push_head(&head);
            parts.push(meta);
            parts.push_sum();
            outgoing.push(parts);
            incoming.push(Incoming::new(place, &mut []));
        }
        self.drive(&mut outgoing, &mut incoming, what, true)?;
        Ok(incoming.into_iter().map(|frame| frame.meta).collect())
    }

    /// Exchanges with all peers; on an error the others are told why before the connections close.
    pub(crate) fn drive(
        &self,
        outgoing: &mut [Outgoing<'_>],
        incoming: &mut [Incoming<'_>],
        what: &str,
        flush: bool,
    ) -> Result<(), CollectiveError> {
        let peers: Vec<&Peer> = self.peers.iter().collect();
        self.drive_some(&peers, (outgoing, incoming), what, (flush, 0))
    }

    /// As [`Gang::drive`] with some of the peers, of whom nobody else has anything on its way. `before` is how many rounds this
    /// exchange has had: who waits in a later round waits longer, so that of a chain of trainers that wait for each other the one
    /// that waits for the culprit speaks first.
    pub(crate) fn drive_some(
        &self,
        peers: &[&Peer],
        (outgoing, incoming): (&mut [Outgoing<'_>], &mut [Incoming<'_>]),
        what: &str,
        (flush, before): (bool, u32),
    ) -> Result<(), CollectiveError> {
        let wait = Wait {
            what,
            timeout: self.config.timeout + PATIENCE * before.min(MOST_PATIENT),
            patience: self.config.patience + PATIENCE * before.min(MOST_PATIENT),
            halt: &self.halt,
            flush,
        };
        let outcome = drive(peers, outgoing, incoming, &wait);
        match &outcome {
            // After a halt the coordinator has told all of them.
            Err(error) if error.failure.kind != ErrorKind::Cancelled => {
                self.notify_abort(error, (peers, outgoing));
            }
            _ => {}
        }
        outcome
    }

    /// The peer of a rank, which is not this trainer's.
    pub(crate) fn peer(&self, rank: usize) -> &Peer {
        &self.peers[if rank > self.config.rank { rank - 1 } else { rank }]
    }

    /// Tells all peers but the one that is blamed why this trainer gives up.
    fn notify_abort(&self, error: &CollectiveError, (partners, outgoing): (&[&Peer], &[Outgoing<'_>])) {
        let blamed = error.peer.as_deref().unwrap_or_default();
        let text: String = error.failure.message.chars().take(1000).collect();
        let meta = format!("{blamed}\n{text}");
        let head = encode(&self.place(0, Kind::Goodbye, 0), meta.len(), 0);
        let others = self.peers.iter();
        let others: Vec<&Peer> = others
            .filter(|peer| partners.iter().all(|partner| partner.rank != peer.rank))
            .collect();
        let mut left: Vec<Outgoing<'_>> = outgoing.to_vec();
        left.extend(others.iter().map(|peer| Outgoing::new(peer.summed)));
        let peers = [partners, &others].concat();
        send_abort(&peers, &left, (&head, meta.as_bytes()), error.peer.as_deref());
    }
}

/// The members must be a gang: ranges that follow each other from 0, and a rank among them. Returns V.
pub(crate) fn check_members(config: &Config) -> Result<u32, Failure> {
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
