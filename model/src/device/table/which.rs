//! Which tables are computed on the device.

use crate::layers::Operation;
use crate::network::{LayerNode, Network, ValueRef};
use std::borrow::Cow;
use std::ops::Range;

/// Elements that the tables on a device have together at most: 512 MiB. An optimiser, a moving average and what an update makes for a
/// while take some times as much, and what does not fit there may well fit the host.
pub(super) const MOST: usize = 1 << 27;

/// Some neighbouring values of a row of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::device) struct Columns {
    pub range: Range<usize>,
    /// Values of the row.
    pub width: usize,
}

impl Columns {
    /// Those of all rows, one after another.
    pub(super) fn of<'a>(&self, features: &'a [f32]) -> Cow<'a, [f32]> {
        if self.range == (0..self.width) {
            return Cow::Borrowed(features);
        }
        let rows = features.chunks_exact(self.width.max(1));
        Cow::Owned(rows.flat_map(|row| &row[self.range.clone()]).copied().collect())
    }
}

/// Where the indices of a layer stand among the features, where it puts out a row of a table for each and they come from nowhere else.
fn indices(network: &Network, node: &LayerNode) -> Option<Columns> {
    let Operation::Module(module) = &node.operation else {
        return None;
    };
    let table = module.row_table()?;
    let count = node.output.iter().product::<usize>() / table.width.max(1);
    let mut start = 0;
    let mut value = *node.inputs.first()?;
    while let ValueRef::Layer(at) = value {
        let before = &network.layers()[at];
        start += match &before.operation {
            Operation::View => 0,
            Operation::Module(module) => module.selected()?,
            Operation::Elementwise(_) => return None,
        };
        value = *before.inputs.first()?;
    }
    Some(Columns {
        range: start..start + count,
        width: network.input_width(),
    })
}

/// The tables that go to the device, by their layers: those whose rows are indexed by features, that no other layer shares, and that a
/// layer there reads (`reads_there`); as many as there is room for. Which they are follows from the network alone, since the bits do
/// from them.
pub(in crate::device) fn columns(
    network: &Network,
    reads_there: impl Fn(usize) -> bool,
) -> Vec<Option<Columns>> {
    chosen(network, reads_there, MOST)
}

fn chosen(network: &Network, reads_there: impl Fn(usize) -> bool, mut room: usize) -> Vec<Option<Columns>> {
    let layers = network.layers();
    let shared = |at: usize| {
        let mut others = layers.iter().enumerate().filter(|(other, _)| *other != at);
        layers[at].repeats.is_some() || others.any(|(_, other)| other.parameters == layers[at].parameters)
    };
    let mut found = Vec::with_capacity(layers.len());
    for (at, node) in layers.iter().enumerate() {
        let columns = indices(network, node)
            .filter(|_| !network.has_sparse_input() && !shared(at) && reads_there(at))
            .filter(|_| node.weights.len() <= room);
        if columns.is_some() {
            room -= node.weights.len();
        }
        found.push(columns);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn table(entries: usize) -> Value {
        json!({"type": "Embedding", "num_embeddings": entries, "embedding_dim": 2})
    }

    fn ranges(network: &Network, room: usize) -> Vec<Range<usize>> {
        let all = chosen(network, |_| true, room).into_iter().flatten();
        all.map(|columns| columns.range).collect()
    }

    #[test]
    fn tables_are_found_by_their_columns_and_taken_as_long_as_there_is_room() {
        let node =
            |name: &str, input: &str, layer: Value| json!({"name": name, "inputs": [input], "layer": layer});
        let document = json!({
            "format": "candlewick.network/1",
            "inputs": [{"name": "x", "shape": [2, 2]}, {"name": "y", "shape": [3]}],
            "nodes": [
                node("flat", "x", json!({"type": "Flatten"})), node("a", "flat", table(10)), node("b", "y", table(20)),
                // Of what no features are it is not known.
                node("made", "y", json!({"type": "ReLU"})), node("c", "made", table(5)),
                node("d", "y", table(4)), {"name": "again", "inputs": ["flat"], "shares": "d"},
                node("bag", "y", json!({"type": "EmbeddingBag", "num_embeddings": 5, "embedding_dim": 2})),
                node("e", "y", table(7))],
            "outputs": ["a", "b", "c", "d", "again", "bag", "e"]});
        let network = Network::from_document(&document, &[7]).unwrap();
        assert_eq!(ranges(&network, MOST), [0..4, 4..7, 4..7]);
        // The second has 40 elements, and the third has 14.
        assert_eq!(ranges(&network, 59), [0..4, 4..7]);
        assert_eq!(chosen(&network, |_| false, MOST).into_iter().flatten().count(), 0);
    }

    #[test]
    fn columns_of_rows() {
        let features = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let columns = |range| Columns { range, width: 3 };
        assert_eq!(columns(1..3).of(&features).as_ref(), [1.0, 2.0, 4.0, 5.0]);
        assert!(matches!(columns(0..3).of(&features), Cow::Borrowed(_)));
    }
}
