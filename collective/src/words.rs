//! Words from every trainer for every other: gradients that were compressed before they are sent.

use crate::config::CollectiveError;
use crate::frame::{Head, Kind, bytes_of, encode};
use crate::gang::Gang;
use crate::io::{Incoming, Outgoing};
use candlewick_protocol::Failure;

/// The words that this trainer has for each rank become those that each rank has for it.
pub(crate) fn exchange(
    gang: &Gang,
    (step, sequence): (u64, u32),
    mut words: Vec<Vec<f32>>,
    most: usize,
) -> Result<Vec<Vec<f32>>, CollectiveError> {
    let (rank, ranks) = (gang.config.rank, gang.config.members.len());
    if words.len() != ranks {
        let message = format!("words for {} trainers, of which there are {ranks}", words.len());
        return Err(CollectiveError::of(Failure::internal(message)));
    }
    let what = format!("compressed gradients {sequence} of step {step}");
    let place = gang.place(step, Kind::Words, sequence as usize);
    let peers = gang.peers.iter();
    let heads: Vec<Head> = peers
        .clone()
        .map(|peer| encode(&place, 0, words[peer.rank].len()))
        .collect();
    let mut outgoing: Vec<Outgoing<'_>> = Vec::with_capacity(heads.len());
    for (peer, head) in peers.zip(&heads) {
        let mut parts = Outgoing::new(peer.summed);
        parts.push_head(head);
        parts.push(bytes_of(&words[peer.rank]));
        parts.push_sum();
        outgoing.push(parts);
    }
    let mut received: Vec<Vec<f32>> = vec![Vec::new(); gang.peers.len()];
    let mut incoming: Vec<Incoming<'_>> = received
        .iter_mut()
        .map(|buffer| Incoming::with_rest(place, &mut [], buffer, most))
        .collect();
    gang.drive(&mut outgoing, &mut incoming, &what, true)?;
    drop((incoming, outgoing));
    let own = std::mem::take(&mut words[rank]);
    received.insert(rank, own);
    Ok(received)
}
