//! Sending to and receiving from all peers at once, on the calling thread: sockets that do not block, and poll(2)
//! when none is ready.
//!
//! Why it cannot deadlock: a trainer in a round always takes what any peer sends for that round, so a send waits only
//! for a peer that is computing or in an earlier round. A round ends for a trainer when it has received from all, so
//! nobody is ahead of the trainer in the earliest round, all of whose peers have sent or are sending what it waits for.

use crate::config::{CollectiveError, HaltToken, POLL_INTERVAL, seconds};
use crate::frame::{Checksum, HEADER, Head, Header, Place, SUM, bytes_of_mut, damaged, decode};
use crate::link::Link;
use crate::peer::Peer;
use candlewick_protocol::Failure;
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::thread;
use std::time::{Duration, Instant};

/// Tries to find a socket ready before the thread goes to sleep: short exchanges need no wake-up then.
const SPINS: u32 = 64;
/// Bytes of one read or write at most, so that sending and receiving take turns. A socket takes less at once; with a
/// quarter of it the trainers wake each other more often (measured: half of the bandwidth).
const MAX_IO_BYTES: usize = 4 * 1024 * 1024;

/// How long a trainer that gives up tells the others why, at most.
const ABORT_NOTICE: Duration = Duration::from_millis(500);

/// A part of a frame that is still to be sent.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    /// A header, which has a checksum of its own.
    Head(&'a [u8]),
    /// Bytes that the frame's checksum is over.
    Bytes(&'a [u8]),
    /// So many last bytes of the checksum over the bytes since the last one.
    Sum(usize),
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self {
            Part::Head(bytes) | Part::Bytes(bytes) => bytes.len(),
            Part::Sum(left) => *left,
        }
    }
}

/// What is still to be sent to one peer.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing<'a> {
    parts: VecDeque<Part<'a>>,
    sum: Checksum,
    /// Bytes at the front of what is left that `sum` has already: a write may take fewer than it is given.
    summed: usize,
    /// The finished checksum that is being sent.
    finished: [u8; SUM],
    /// False where frames have no checksum.
    has_sums: bool,
}

impl<'a> Outgoing<'a> {
    /// Nothing yet, for a peer whose frames end with a checksum or do not.
    pub(crate) fn new(has_sums: bool) -> Self {
        Outgoing {
            parts: VecDeque::new(),
            sum: Checksum::new(),
            summed: 0,
            finished: [0; SUM],
            has_sums,
        }
    }

    /// Begins a frame.
    pub(crate) fn push_head(&mut self, head: &'a Head) {
        self.parts.push_back(Part::Head(head.bytes(self.has_sums)));
    }

    /// Adds a part of the frame's description or values.
    pub(crate) fn push(&mut self, part: &'a [u8]) {
        if !part.is_empty() {
            self.parts.push_back(Part::Bytes(part));
        }
    }

    /// Ends the frame, with its checksum where it has one.
    pub(crate) fn push_sum(&mut self) {
        if self.has_sums {
            self.parts.push_back(Part::Sum(SUM));
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.parts.is_empty()
    }

    /// Writes once; how many bytes went out. The checksum is formed of the bytes as they go, while they are in the cache.
    fn advance(&mut self, link: &Link) -> io::Result<usize> {
        let Outgoing {
            parts,
            sum,
            summed,
            finished,
            has_sums,
        } = self;
        let mut slices = [IoSlice::new(&[]); 16];
        let (mut count, mut bytes, mut known) = (0, 0, *summed);
        for part in parts.iter() {
            if count == slices.len() || bytes == MAX_IO_BYTES {
                break;
            }
            let room = MAX_IO_BYTES - bytes;
            match *part {
                Part::Head(part) | Part::Bytes(part) => {
                    let part = &part[..part.len().min(room)];
                    slices[count] = IoSlice::new(part);
                    bytes += part.len();
                }
                Part::Sum(_) => {}
            }
            match *part {
                Part::Head(_) => count += 1,
                Part::Bytes(part) => {
                    let part = &part[..part.len().min(room)];
                    if *has_sums {
                        let old = known.min(part.len());
                        sum.update(&part[old..]);
                        *summed += part.len() - old;
                        known -= old;
                    }
                    count += 1;
                }
                Part::Sum(left) => {
                    if left == SUM {
                        *finished = sum.clone().take();
                    }
                    slices[count] = IoSlice::new(&finished[SUM - left..]);
                    count += 1;
                    // The next frame's checksum begins once this one is away.
                    break;
                }
            }
        }
        let written = link.write_vectored(&slices[..count])?;
        self.sent(written);
        Ok(written)
    }

    /// Takes what was sent off the front.
    fn sent(&mut self, mut left: usize) {
        while let Some(part) = self.parts.front_mut() {
            let taken = left.min(part.len());
            left -= taken;
            let whole = taken == part.len();
            match part {
                Part::Head(bytes) => *bytes = &bytes[taken..],
                Part::Bytes(bytes) => {
                    *bytes = &bytes[taken..];
                    self.summed = self.summed.saturating_sub(taken);
                }
                Part::Sum(rest) => {
                    *rest -= taken;
                    if whole {
                        self.sum = Checksum::new();
                    }
                }
            }
            if !whole {
                return;
            }
            self.parts.pop_front();
        }
    }
}

/// The frame that is being received from one peer.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    place: Place,
    bytes: [u8; HEADER],
    header: Option<Header>,
    /// Bytes of the header, or after it of description, values and checksum.
    filled: usize,
    sum: Checksum,
    /// The checksum as it came.
    claimed: [u8; SUM],
    /// What describes the values.
    pub(crate) meta: Vec<u8>,
    /// Where the values go; may be longer than they are.
    body: &'a mut [f32],
    /// Where those go that the body has no room for, and how many there may be.
    rest: Option<(&'a mut Vec<f32>, usize)>,
    abort_notice: bool,
    /// False where none is waited for.
    expected: bool,
}

/// How far a frame is.
enum Got {
    Bytes,
    Nothing,
    Closed,
}

impl<'a> Incoming<'a> {
    pub(crate) fn new(place: Place, body: &'a mut [f32]) -> Self {
        Incoming {
            place,
            bytes: [0; HEADER],
            header: None,
            filled: 0,
            sum: Checksum::new(),
            claimed: [0; SUM],
            meta: Vec::new(),
            body,
            rest: None,
            abort_notice: false,
            expected: true,
        }
    }

    /// From a peer that only takes.
    pub(crate) fn none(place: Place) -> Self {
        Incoming {
            expected: false,
            ..Incoming::new(place, &mut [])
        }
    }

    /// As [`Incoming::new`]; what the body has no room for goes to `rest`, which gets the length it needs, `most` at
    /// most.
    pub(crate) fn with_rest(place: Place, body: &'a mut [f32], rest: &'a mut Vec<f32>, most: usize) -> Self {
        Incoming {
            rest: Some((rest, most)),
            ..Incoming::new(place, body)
        }
    }

    /// Number of values the frame brought.
    pub(crate) fn floats(&self) -> usize {
        self.header.map_or(0, |header| header.floats)
    }

    fn is_done(&self) -> bool {
        !self.expected
            || self
                .header
                .is_some_and(|header| self.filled == covered(&header) + trailer(&header))
    }

    /// Reads once.
    fn advance(&mut self, link: &Link) -> Result<Got, Failure> {
        let Some(header) = self.header else {
            let read = match received(link.read(&mut self.bytes[self.filled..]))? {
                Ok(read) => read,
                Err(nothing) => return Ok(nothing),
            };
            self.filled += read;
            if self.filled == HEADER {
                self.begin()?;
            }
            return Ok(Got::Bytes);
        };
        let covered = covered(&header);
        let target: &mut [u8] = if self.filled < header.meta {
            &mut self.meta[self.filled..]
        } else if self.filled < covered {
            let filled = self.filled - header.meta;
            let length = header.floats.min(self.body.len());
            let bytes = match (&mut self.rest, filled.checked_sub(length * size_of::<f32>())) {
                (Some((rest, _)), Some(after)) => &mut bytes_of_mut(rest)[after..],
                _ => &mut bytes_of_mut(&mut self.body[..length])[filled..],
            };
            let most = bytes.len().min(MAX_IO_BYTES);
            &mut bytes[..most]
        } else {
            &mut []
        };
        let length = target.len();
        let read = if self.filled + length < covered || !header.summed {
            link.read(target)
        } else {
            // The last of what the checksum is over, and it.
            let claimed = &mut self.claimed[self.filled.saturating_sub(covered)..];
            link.read_vectored(&mut [IoSliceMut::new(target), IoSliceMut::new(claimed)])
        };
        let read = match received(read)? {
            Ok(read) => read,
            Err(nothing) => return Ok(nothing),
        };
        if header.summed {
            self.sum.update(&target[..read.min(length)]);
        }
        self.filled += read;
        if header.summed && self.is_done() && self.sum.take() != self.claimed {
            return Err(damaged());
        }
        Ok(Got::Bytes)
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let header = decode(&self.bytes)?;
        self.abort_notice = header.is_goodbye(self.place.job);
        if !self.abort_notice {
            header.check(&self.place)?;
        }
        let rest = header.floats.saturating_sub(self.body.len());
        let most = self.rest.as_ref().map_or(0, |(_, most)| *most);
        if rest > most || (self.abort_notice && header.floats > 0) {
            return Err(Failure::internal(format!(
                "sent {} values, at most {} were expected",
                header.floats,
                self.body.len().saturating_add(most)
            )));
        }
        if let Some((values, _)) = &mut self.rest {
            values.resize(rest, 0.0);
        }
        self.meta.resize(header.meta, 0);
        self.filled = 0;
        self.header = Some(header);
        Ok(())
    }
}

/// Bytes that the checksum of a frame is over.
fn covered(header: &Header) -> usize {
    header.meta + header.floats * size_of::<f32>()
}

/// Bytes of the checksum at its end.
fn trailer(header: &Header) -> usize {
    if header.summed { SUM } else { 0 }
}

/// How many bytes a read brought; the inner error says why none.
fn received(read: io::Result<usize>) -> Result<Result<usize, Got>, Failure> {
    match read {
        Ok(0) => Ok(Err(Got::Closed)),
        Ok(read) => Ok(Ok(read)),
        Err(error) if is_later(&error) => Ok(Err(Got::Nothing)),
        Err(error) => Err(Failure::unavailable(format!("broke the connection ({error})"))),
    }
}

pub(crate) fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// A wait: what for, how long, and what ends it early.
pub(crate) struct Wait<'a> {
    /// "allreduce, step 812".
    pub(crate) what: &'a str,
    /// Longest silence of a peer whose connection does not stand.
    pub(crate) timeout: Duration,
    /// The same of one whose host answers.
    pub(crate) patience: Duration,
    pub(crate) halt: &'a HaltToken,
    /// True: all must be sent too. False: what is left is sent in the next round.
    pub(crate) flush: bool,
}

/// Sends and receives until every frame is there. `outgoing[i]` and `incoming[i]` belong to `peers[i]`.
pub(crate) fn drive(
    peers: &[&Peer],
    outgoing: &mut [Outgoing<'_>],
    incoming: &mut [Incoming<'_>],
    wait: &Wait<'_>,
) -> Result<(), CollectiveError> {
    let begin = Instant::now();
    let mut heard = vec![begin; peers.len()];
    let mut spins = 0;
    loop {
        let (mut moved, mut done) = (false, true);
        for (at, peer) in peers.iter().enumerate() {
            let bytes = step(peer, &mut outgoing[at], &mut incoming[at], wait)?;
            if bytes {
                moved = true;
                heard[at] = Instant::now();
            }
            done &= incoming[at].is_done() && (!wait.flush || all_sent(peer, &outgoing[at]));
        }
        if done {
            return Ok(());
        }
        if wait.halt.is_cancelled() {
            return Err(CollectiveError::halted(wait.what));
        }
        if moved {
            spins = 0;
            continue;
        }
        if spins < SPINS {
            spins += 1;
            thread::yield_now();
            continue;
        }
        check_silence(peers, outgoing, incoming, wait, &heard)?;
        sleep_until_ready(peers, outgoing, incoming);
    }
}

/// Whether all that goes to a peer is on its way.
fn all_sent(peer: &Peer, outgoing: &Outgoing<'_>) -> bool {
    outgoing.is_done() && !peer.link.is_behind()
}

/// Sends once, of what is left or of what the link has taken and not sent.
fn advance(peer: &Peer, outgoing: &mut Outgoing<'_>) -> io::Result<usize> {
    if outgoing.is_done() {
        peer.link.flush()
    } else {
        outgoing.advance(&peer.link)
    }
}

/// One turn with one peer; true where bytes moved.
fn step(
    peer: &Peer,
    outgoing: &mut Outgoing<'_>,
    incoming: &mut Incoming<'_>,
    wait: &Wait<'_>,
) -> Result<bool, CollectiveError> {
    let blame = |what: &str| {
        let message = format!("{} {what} in {}", peer.name, wait.what);
        CollectiveError::peer(&peer.id, Failure::unavailable(message))
    };
    let mut moved = false;
    // Reading first: a peer that gives up says why before it closes.
    if !incoming.is_done() {
        match incoming.advance(&peer.link) {
            Ok(Got::Bytes) => moved = true,
            Ok(Got::Nothing) => {}
            Ok(Got::Closed) => return Err(blame("closed its connection")),
            Err(failure) => {
                let message = format!("{} {} in {}", peer.name, failure.message, wait.what);
                return Err(CollectiveError::peer(
                    &peer.id,
                    Failure::new(failure.kind, message),
                ));
            }
        }
        if incoming.abort_notice && incoming.is_done() {
            return Err(abort_notice(peer, &incoming.meta, wait));
        }
    }
    if !all_sent(peer, outgoing) {
        match advance(peer, outgoing) {
            Ok(bytes) => moved |= bytes > 0,
            Err(error) if is_later(&error) => {}
            // What it said before it went is still to be read.
            Err(_) if moved => {}
            Err(error) => return Err(blame(&format!("broke the connection ({error})"))),
        }
    }
    Ok(moved)
}

/// A peer gave up; it names whom it blames.
fn abort_notice(peer: &Peer, meta: &[u8], wait: &Wait<'_>) -> CollectiveError {
    let text = String::from_utf8_lossy(meta);
    let (blamed, why) = text.split_once('\n').unwrap_or(("", &text));
    let id = if blamed.is_empty() { &peer.id } else { blamed };
    let message = format!(
        "{} gave up in {}: {}",
        peer.name,
        wait.what,
        why.chars().take(1000).collect::<String>()
    );
    CollectiveError::peer(id, Failure::unavailable(message))
}

/// Sends an abort notice (head and text) to all peers but `blamed`: what was on its way is sent first, for a frame cannot
/// begin inside of another one, and what they send is taken, for a connection closed over unread bytes loses what it
/// still had to say. Without it the others would blame the trainer that gave up and not the one it gave up for.
pub(crate) fn send_abort(
    peers: &[&Peer],
    outgoing: &[Outgoing<'_>],
    (head, text): (&Head, &[u8]),
    blamed: Option<&str>,
) {
    let end = Instant::now() + ABORT_NOTICE;
    let told = |(peer, _): &(&Peer, Outgoing<'_>)| Some(peer.id.as_str()) != blamed;
    let mut left: Vec<(&Peer, Outgoing<'_>)> = peers
        .iter()
        .copied()
        .zip(outgoing.iter().cloned())
        .filter(told)
        .collect();
    for (_, parts) in &mut left {
        parts.push_head(head);
        parts.push(text);
        parts.push_sum();
    }
    let mut sink = vec![0; 64 * 1024];
    while !left.is_empty() && Instant::now() < end {
        left.retain_mut(|(peer, parts)| drain(peer, parts, &mut sink));
        thread::sleep(Duration::from_millis(1));
    }
}

/// One turn with a peer that is being left; false once it has closed its side.
fn drain(peer: &Peer, parts: &mut Outgoing<'_>, sink: &mut [u8]) -> bool {
    if !all_sent(peer, parts) {
        match advance(peer, parts) {
            Err(error) if !is_later(&error) => return false,
            _ => {}
        }
        if all_sent(peer, parts) && peer.link.finish_writing().is_err() {
            return false;
        }
    }
    // Nobody sleeps here for it.
    peer.link.woke(true);
    loop {
        match peer.link.read(sink) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return is_later(&error),
        }
    }
}

/// Blames the peer that has been silent for longest, once that is too long: a trainer that has more to compute than others is
/// silent too, and it is for the coordinator to say that it stands still (rule C2).
fn check_silence(
    peers: &[&Peer],
    outgoing: &[Outgoing<'_>],
    incoming: &[Incoming<'_>],
    wait: &Wait<'_>,
    heard: &[Instant],
) -> Result<(), CollectiveError> {
    let now = Instant::now();
    let silent = (0..peers.len())
        .filter(|at| !incoming[*at].is_done() || (wait.flush && !all_sent(peers[*at], &outgoing[*at])))
        .map(|at| (now.saturating_duration_since(heard[at]), at))
        .filter(|(silence, at)| {
            *silence >= wait.timeout && (*silence >= wait.patience || !peers[*at].link.stands(wait.timeout))
        })
        .max_by_key(|(silence, at)| (*silence, std::cmp::Reverse(*at)));
    match silent {
        Some((silence, at)) => {
            let message = format!("{} silent {} in {}", peers[at].name, seconds(silence), wait.what);
            Err(CollectiveError::peer(
                &peers[at].id,
                Failure::unavailable(message),
            ))
        }
        None => Ok(()),
    }
}

/// Sleeps until a peer is ready, 20 ms at most: aborts and deadlines are looked at in between.
fn sleep_until_ready(peers: &[&Peer], outgoing: &[Outgoing<'_>], incoming: &[Incoming<'_>]) {
    let mut polled: Vec<libc::pollfd> = Vec::with_capacity(peers.len());
    let mut waited: Vec<&Peer> = Vec::with_capacity(peers.len());
    let mut sleeps = true;
    for (at, peer) in peers.iter().enumerate() {
        let (reads, writes) = (!incoming[at].is_done(), !all_sent(peer, &outgoing[at]));
        if !reads && !writes {
            continue;
        }
        waited.push(peer);
        match peer.link.waits_for(reads, writes) {
            Some(wait) => polled.push(wait),
            None => sleeps = false,
        }
    }
    if !sleeps {
        waited.iter().for_each(|peer| peer.link.woke(false));
        return;
    }
    let timeout = i32::try_from(POLL_INTERVAL.as_millis()).unwrap_or(20);
    // SAFETY: the pointer and the count are those of one live vector of pollfd, which poll only writes `revents` of;
    // the descriptors belong to the peers' streams, which outlive the call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) };
    let interrupted = ready < 0 && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
    for (peer, wait) in waited.iter().zip(&polled) {
        peer.link.woke(ready > 0 && wait.revents != 0);
    }
    if ready < 0 && !interrupted {
        thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests;
