//! The numbers of every shard for all trainers: in the middle of a step, and along with the gradients at its end.

use crate::config::CollectiveError;
use crate::frame::{Kind, MAX_META};
use crate::gang::Gang;
use candlewick_protocol::Failure;
use candlewick_protocol::message::Member;

/// Longest list of numbers of a shard.
const MOST: usize = MAX_META / 8;

/// What a shard gives, by shard; `None` or left out where it has no rows.
pub(crate) type Shards<'a> = &'a [(u32, Option<Vec<f64>>)];

/// All shards' numbers, from every trainer's frame.
pub(crate) fn exchange(
    gang: &Gang,
    step: u64,
    sequence: u32,
    own: Shards<'_>,
) -> Result<Vec<Option<Vec<f64>>>, CollectiveError> {
    let what = format!("exchange {sequence} of step {step}");
    let (rank, me) = (gang.config.rank, &gang.config.members[gang.config.rank]);
    let mut bytes = Vec::new();
    write_shards(me, own, &mut bytes).map_err(CollectiveError::of)?;
    if bytes.len() > MAX_META {
        let message = format!("{} bytes for {what}, at most {MAX_META} are legal", bytes.len());
        return Err(CollectiveError::of(Failure::internal(message)));
    }
    let place = gang.place(step, Kind::Gather, sequence as usize);
    let received = gang.swap(place, &bytes, &what)?;
    let mut all = vec![None; gang.shards as usize];
    let mut frames = gang.peers.iter().zip(&received);
    for (at, member) in gang.config.members.iter().enumerate() {
        if at == rank {
            read_all(member, &bytes, &mut all).map_err(CollectiveError::of)?;
        } else if let Some((peer, bytes)) = frames.next() {
            read_all(member, bytes, &mut all)
                .map_err(|failure| peer.protocol_error(&failure.message, &what))?;
        }
    }
    Ok(all)
}

/// Appends the numbers of a member's shards: for each one more than their count (0 = none), then they themselves.
pub(crate) fn write_shards(me: &Member, own: Shards<'_>, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    let mut by_shard: Vec<&[f64]> = vec![&[]; (me.hi - me.lo) as usize];
    let mut counts = vec![0u32; by_shard.len()];
    for (shard, values) in own {
        let at = shard.checked_sub(me.lo).filter(|_| *shard < me.hi);
        let at = at.ok_or_else(|| {
            Failure::internal(format!(
                "got scalars of shard {shard}, expected {}..{}",
                me.lo, me.hi
            ))
        })? as usize;
        let Some(values) = values else { continue };
        if values.len() > MOST {
            return Err(Failure::internal(format!(
                "more than {MOST} scalars for shard {shard}"
            )));
        }
        by_shard[at] = values;
        counts[at] = u32::try_from(values.len() + 1).unwrap_or(u32::MAX);
    }
    let values: usize = by_shard.iter().map(|values| values.len()).sum();
    bytes.reserve(counts.len() * size_of::<u32>() + values * size_of::<f64>());
    for (count, values) in counts.iter().zip(by_shard) {
        bytes.extend(count.to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    Ok(())
}

/// Reads the numbers of a member's shards out of a frame that has nothing else.
fn read_all(member: &Member, bytes: &[u8], all: &mut [Option<Vec<f64>>]) -> Result<(), Failure> {
    let rest = read_shards(member, bytes, all)?;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(unreadable())
    }
}

/// Reads what [`write_shards`] wrote into the member's places of `all`; returns what follows it.
pub(crate) fn read_shards<'a>(
    member: &Member,
    bytes: &'a [u8],
    all: &mut [Option<Vec<f64>>],
) -> Result<&'a [u8], Failure> {
    let mut rest = bytes;
    for into in &mut all[member.lo as usize..member.hi as usize] {
        let (count, after) = rest.split_first_chunk::<4>().ok_or_else(unreadable)?;
        let count = u32::from_le_bytes(*count) as usize;
        if count > MOST + 1 {
            return Err(unreadable());
        }
        let (values, after) = after
            .split_at_checked(count.saturating_sub(1) * 8)
            .ok_or_else(unreadable)?;
        let (values, _) = values.as_chunks::<8>();
        *into = (count > 0).then(|| values.iter().map(|value| f64::from_le_bytes(*value)).collect());
        rest = after;
    }
    Ok(rest)
}

pub(crate) fn unreadable() -> Failure {
    Failure::internal("sent a description of its shards that cannot be read")
}
