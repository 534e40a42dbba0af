//! What every trainer has, to all of them: lists of numbers of any length.

use crate::config::CollectiveError;
use crate::frame::{Kind, encode};
use crate::gang::Gang;
use crate::io::{Incoming, Outgoing};
use candlewick_protocol::Failure;

/// f32 words of one number on the wire.
const WORDS: usize = 2;
/// Bytes of one number.
const WORD: usize = 8;
/// Numbers that one trainer may send: 4 GiB.
const MOST: usize = 1 << 29;

/// Two rounds: how much each trainer has, then the numbers, as they are in memory.
pub(crate) fn gather(gang: &mut Gang, what: &str, mine: &[f64]) -> Result<Vec<f64>, CollectiveError> {
    if mine.len() > MOST {
        let message = format!("{what}: {} numbers of one trainer, at most {MOST}", mine.len());
        return Err(CollectiveError::of(Failure::unavailable(message)));
    }
    let waiting = format!("gathering {what}");
    let counts = lengths(gang, &waiting, mine.len())?;
    let place = gang.next_place(Kind::Numbers);
    let bytes: Vec<u8> = mine.iter().flat_map(|number| number.to_le_bytes()).collect();
    let head = encode(&place, 0, mine.len() * WORDS);
    let mut bodies: Vec<Vec<f32>> = counts.iter().map(|count| vec![0.0; count * WORDS]).collect();
    let mut outgoing: Vec<Outgoing<'_>> = Vec::with_capacity(bodies.len());
    let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(bodies.len());
    for (body, peer) in bodies.iter_mut().zip(&gang.peers) {
        let mut parts = Outgoing::new(peer.summed);
        parts.push_head(&head);
        parts.push(&bytes);
        parts.push_sum();
        outgoing.push(parts);
        incoming.push(Incoming::new(place, body));
    }
    gang.drive(&mut outgoing, &mut incoming, &waiting, true)?;
    let short = incoming
        .iter()
        .zip(&counts)
        .position(|(frame, count)| frame.floats() != count * WORDS);
    if let Some(at) = short {
        return Err(gang.peers[at].protocol_error("sent another number of values than it said", &waiting));
    }
    let mut all = Vec::with_capacity(mine.len() + counts.iter().sum::<usize>());
    let mut received = bodies.iter();
    for rank in 0..gang.config.members.len() {
        if rank == gang.config.rank {
            all.extend_from_slice(mine);
        } else if let Some(body) = received.next() {
            let (pairs, _) = body.as_chunks::<WORDS>();
            let join =
                |[low, high]: &[f32; WORDS]| u64::from(low.to_bits()) | (u64::from(high.to_bits()) << 32);
            all.extend(pairs.iter().map(|pair| f64::from_bits(join(pair))));
        }
    }
    Ok(all)
}

/// Bytes that travel at a time: what is held beside the whole.
const PART: usize = 64 << 20;

/// The bytes of one trainer, to all others; nothing on the trainer itself. They travel as numbers, of which only the bits
/// matter.
pub(crate) fn broadcast(
    gang: &mut Gang,
    what: &str,
    (root, mine): (usize, &[u8]),
    alive: &dyn Fn(),
) -> Result<Vec<u8>, CollectiveError> {
    let gives = root == gang.config.rank;
    let length = if gives {
        vec![f64::from_bits(mine.len() as u64)]
    } else {
        Vec::new()
    };
    let wrong = || {
        CollectiveError::of(Failure::internal(format!(
            "{what}: not as long as its sender says"
        )))
    };
    let [length] = gather(gang, what, &length)?[..] else {
        return Err(wrong());
    };
    let length = usize::try_from(length.to_bits()).map_err(|_| wrong())?;
    let (mut bytes, mut done) = (Vec::new(), 0);
    while done < length {
        let next = length.min(done + PART);
        let own = mine.get(done..next).filter(|_| gives).unwrap_or_default();
        let words = gather(gang, what, &pack(own))?;
        if words.len() != (next - done).div_ceil(WORD) {
            return Err(wrong());
        }
        if !gives {
            bytes.extend(words.iter().flat_map(|word| word.to_bits().to_le_bytes()));
            bytes.truncate(next);
        }
        done = next;
        alive();
    }
    Ok(bytes)
}

/// Bytes as the bits of numbers, the last one filled up with zeros.
fn pack(bytes: &[u8]) -> Vec<f64> {
    let number = |bytes: &[u8]| {
        let mut word = [0; WORD];
        word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        f64::from_bits(u64::from_le_bytes(word))
    };
    bytes.chunks(WORD).map(number).collect()
}

/// How many numbers each peer has, in the order of the peers.
fn lengths(gang: &mut Gang, waiting: &str, mine: usize) -> Result<Vec<usize>, CollectiveError> {
    let place = gang.next_place(Kind::Numbers);
    let metas = gang.swap(place, &(mine as u64).to_le_bytes(), waiting)?;
    let read = |meta: &[u8]| {
        let bytes = meta.first_chunk::<8>().filter(|_| meta.len() == 8)?;
        usize::try_from(u64::from_le_bytes(*bytes))
            .ok()
            .filter(|count| *count <= MOST)
    };
    gang.peers
        .iter()
        .zip(&metas)
        .map(|(peer, meta)| {
            read(meta).ok_or_else(|| peer.protocol_error("did not say how many values it sends", waiting))
        })
        .collect()
}
