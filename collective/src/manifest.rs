//! What trainers say of their nodes and shards before anything is added up.

use crate::frame::MAX_META;
use crate::gang::Gang;
use crate::nodes::Contribution;
use crate::plan::{Group, Span};
use crate::shards::{read_shards, unreadable, write_shards};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;

/// What is known so far of all trainers' nodes and shards.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// By rank, what that trainer said, as it goes on to others.
    texts: Vec<Vec<u8>>,
    /// By rank, how many of the bytes say which of its nodes are present.
    nodes: Vec<usize>,
    pub(crate) scalars: Vec<Option<Vec<f64>>>,
}

impl Manifest {
    /// Begins with what this trainer has, which must be what `out` and `tables` are for.
    pub(crate) fn begin(
        &mut self,
        gang: &Gang,
        own: &Contribution<'_>,
        length: usize,
        tables: &[SparseRows],
    ) -> Result<(), Failure> {
        check(gang, own, length, tables)?;
        let me = gang.config.rank;
        self.texts.resize_with(gang.covers.len(), Vec::new);
        self.texts.iter_mut().for_each(Vec::clear);
        self.nodes.clear();
        self.nodes.extend(gang.covers.iter().map(Vec::len));
        self.scalars = vec![None; gang.shards as usize];
        let text = &mut self.texts[me];
        text.extend(own.nodes.iter().map(|node| u8::from(node.values.is_some())));
        write_shards(&gang.config.members[me], own.scalars, text)?;
        let text = std::mem::take(text);
        self.read(gang, me, &text)?;
        self.texts[me] = text;
        Ok(())
    }

    /// What the trainers of a group said.
    pub(crate) fn texts(&self, group: &Group) -> &[Vec<u8>] {
        &self.texts[group.clone()]
    }

    /// Reads what a group's trainers said, and nothing else. Where several partners bring it, all bring the same.
    pub(crate) fn learn(&mut self, gang: &Gang, group: &Group, bytes: &[u8]) -> Result<(), Failure> {
        let mut rest = bytes;
        for rank in group.clone() {
            let after = self.read(gang, rank, rest)?;
            self.texts[rank].clear();
            self.texts[rank].extend_from_slice(&rest[..rest.len() - after]);
            rest = &rest[rest.len() - after..];
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(unreadable())
        }
    }

    /// How many bytes follow.
    fn read(&mut self, gang: &Gang, rank: usize, bytes: &[u8]) -> Result<usize, Failure> {
        let (_, rest) = bytes.split_at_checked(self.nodes[rank]).ok_or_else(unreadable)?;
        let rest = read_shards(&gang.config.members[rank], rest, &mut self.scalars)?;
        Ok(rest.len())
    }

    /// Whether nodes of a group are present: each that has a node below it which is.
    pub(crate) fn present<'a>(
        &'a self,
        gang: &'a Gang,
        group: &Group,
        nodes: &'a [Span],
    ) -> impl Iterator<Item = (Span, bool)> + 'a {
        let leaves = group.clone().flat_map(|rank| {
            let said = self.texts[rank].iter().map(|said| *said == 1);
            gang.covers[rank].iter().copied().zip(said)
        });
        let mut leaves = leaves.peekable();
        nodes.iter().map(move |node| {
            let mut present = false;
            while let Some((_, is_there)) = leaves.next_if(|((lo, _), _)| *lo < node.1) {
                present |= is_there;
            }
            (*node, present)
        })
    }
}

/// Bytes of a description at most.
pub(crate) fn fits(bytes: usize) -> Result<usize, Failure> {
    if bytes <= MAX_META {
        return Ok(bytes);
    }
    Err(Failure::internal(format!(
        "{bytes} bytes that describe a trainer's shards, at most {MAX_META} are legal"
    )))
}

/// The nodes must be those of this trainer, as long as the sum and with its tables.
fn check(gang: &Gang, own: &Contribution<'_>, length: usize, tables: &[SparseRows]) -> Result<(), Failure> {
    let cover = &gang.covers[gang.config.rank];
    let given = || own.nodes.iter().map(|node| (node.lo, node.hi));
    if !given().eq(cover.iter().copied()) {
        let given: Vec<Span> = given().collect();
        return Err(Failure::internal(format!(
            "all_reduce got the nodes {given:?}, expected {cover:?}"
        )));
    }
    let mut values = own.nodes.iter().filter_map(|node| node.values);
    if let Some(values) = values.find(|values| values.len() != length) {
        return Err(Failure::internal(format!(
            "a node has {} values, expected {length}",
            values.len()
        )));
    }
    let shape = |table: &SparseRows| (table.entries, table.width);
    let mut present = own.nodes.iter().filter(|node| node.values.is_some());
    match present.find(|node| !node.tables.iter().map(shape).eq(tables.iter().map(shape))) {
        Some(node) => Err(Failure::internal(format!(
            "the node {}..{} has other tables than the sum",
            node.lo, node.hi
        ))),
        None => Ok(()),
    }
}
