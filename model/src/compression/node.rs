//! Nodes as they travel: how many there are, then for each its shards, whether it has values, and these as the codec packs
//! them.

use super::{Codec, take, unreadable};
use candlewick_protocol::Failure;

/// Words before a node's values.
const HEAD: usize = 3;

/// A node that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// First shard.
    pub lo: u32,
    /// One past the last shard.
    pub hi: u32,
    /// Its values; none where no shard of it has rows.
    pub values: Option<Vec<f32>>,
}

/// Appends a node with its values of the reader's chunk.
pub fn write_node(codec: &Codec, (lo, hi): (u32, u32), values: Option<&[f32]>, words: &mut Vec<f32>) {
    words.extend([lo, hi, u32::from(values.is_some())].map(f32::from_bits));
    if let Some(values) = values {
        codec.pack(values, words);
    }
}

/// Reads nodes of `length` values each, to the last word.
///
/// # Errors
/// `Internal` where something else stands there.
pub fn read_nodes(codec: &Codec, mut words: &[f32], length: usize) -> Result<Vec<Packed>, Failure> {
    let mut nodes = Vec::new();
    while !words.is_empty() {
        let (head, rest) = take(words, HEAD)?;
        words = rest;
        let [lo, hi, present] = [0, 1, 2].map(|at| head[at].to_bits());
        if hi <= lo || present > 1 {
            return Err(unreadable());
        }
        let mut values = None;
        if present == 1 {
            let mut read = vec![0.0; length];
            words = codec.unpack(words, &mut read)?;
            values = Some(read);
        }
        nodes.push(Packed { lo, hi, values });
    }
    Ok(nodes)
}
