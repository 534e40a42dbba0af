//! The numbers of every shard for all trainers: in the middle of a step, and along with the gradients at its end.

use crate::collective::Collective;
use crate::config::CollectiveError;
use crate::exchange::{Incoming, Outgoing};
use crate::frame::{Kind, MAX_META, encode};
use crate::reduce::strange;
use candlewick_protocol::Failure;
use candlewick_protocol::message::Member;

/// What a shard gives, by shard; `None` or left out where it has no rows.
pub(crate) type Shards<'a> = &'a [(u32, Option<Vec<f64>>)];

/// All shards' numbers, from every trainer's frame.
pub(crate) fn exchange(
    gang: &Collective,
    step: u64,
    sequence: u32,
    own: Shards<'_>,
) -> Result<Vec<Option<Vec<f64>>>, CollectiveError> {
    let what = format!("exchange {sequence} of step {step}");
    let (rank, me) = (gang.config.rank, &gang.config.members[gang.config.rank]);
    let mut bytes = Vec::new();
    write_shards(me, own, MAX_META / 8, &mut bytes).map_err(CollectiveError::of)?;
    if bytes.len() > MAX_META {
        let message = format!("{} bytes for {what}, at most {MAX_META} are legal", bytes.len());
        return Err(CollectiveError::of(Failure::internal(message)));
    }
    let place = gang.place(step, Kind::Gather, sequence as usize);
    let head = encode(&place, bytes.len(), 0);
    let mut outgoing: Vec<Outgoing<'_>> = Vec::with_capacity(gang.peers.len());
    let mut incoming: Vec<Incoming<'_>> = Vec::with_capacity(gang.peers.len());
    for _ in &gang.peers {
        let mut parts = Outgoing::default();
        parts.push(&head);
        parts.push(&bytes);
        outgoing.push(parts);
        incoming.push(Incoming::new(place, &mut []));
    }
    gang.drive(&mut outgoing, &mut incoming, &what, true)?;
    let mut all = Vec::with_capacity(gang.shards as usize);
    let mut frames = gang.peers.iter().zip(&incoming);
    for (at, member) in gang.config.members.iter().enumerate() {
        if at == rank {
            read_shards(member, &bytes, MAX_META / 8, &mut all).map_err(CollectiveError::of)?;
        } else if let Some((peer, frame)) = frames.next() {
            read_shards(member, &frame.meta, MAX_META / 8, &mut all)
                .map_err(|failure| strange(peer, &failure.message, &what))?;
        }
    }
    Ok(all)
}

/// Appends the numbers of a member's shards: for each one more than their count (0 = none), then they themselves.
pub(crate) fn write_shards(
    me: &Member,
    own: Shards<'_>,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    if let Some((shard, _)) = own.iter().find(|(shard, _)| !(me.lo..me.hi).contains(shard)) {
        return Err(Failure::internal(format!(
            "got scalars of shard {shard}, expected {}..{}",
            me.lo, me.hi
        )));
    }
    for shard in me.lo..me.hi {
        let values = own
            .iter()
            .find(|(of, _)| *of == shard)
            .and_then(|(_, values)| values.as_deref());
        if values.is_some_and(|values| values.len() > most) {
            return Err(Failure::internal(format!(
                "more than {most} scalars for shard {shard}"
            )));
        }
        let count = values.map_or(0, |values| values.len() + 1);
        bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        let values = values.unwrap_or_default().iter();
        bytes.extend(values.flat_map(|value| value.to_le_bytes()));
    }
    Ok(())
}

/// Reads what [`write_shards`] wrote, and nothing else.
pub(crate) fn read_shards(
    member: &Member,
    bytes: &[u8],
    most: usize,
    into: &mut Vec<Option<Vec<f64>>>,
) -> Result<(), Failure> {
    let wrong = || Failure::internal("sent a description of its shards that cannot be read");
    let mut rest = bytes;
    for _ in member.lo..member.hi {
        let (count, after) = rest.split_first_chunk::<4>().ok_or_else(wrong)?;
        let count = u32::from_le_bytes(*count) as usize;
        if count > most + 1 {
            return Err(wrong());
        }
        let (values, after) = after
            .split_at_checked(count.saturating_sub(1) * 8)
            .ok_or_else(wrong)?;
        let (values, _) = values.as_chunks::<8>();
        into.push((count > 0).then(|| values.iter().map(|value| f64::from_le_bytes(*value)).collect()));
        rest = after;
    }
    if rest.is_empty() { Ok(()) } else { Err(wrong()) }
}
