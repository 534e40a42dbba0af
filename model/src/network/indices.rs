//! Which of the features are indices of tables, or counts of them.

use super::{Network, ValueRef};
use crate::layers::Operation;
use candlewick_protocol::feed::IndexLimit;
use std::ops::Range;

impl Network {
    /// The features that a layer takes for indices of its table, as they come in. Those that are computed first are not
    /// among them.
    ///
    /// ```
    /// use candlewick_model::network::Network;
    /// let document = serde_json::json!({"format": "candlewick.network/1", "layers": [
    ///     {"type": "Embedding", "num_embeddings": 10, "embedding_dim": 2}]});
    /// let limits = Network::from_document(&document, &[4])?.index_limits();
    /// assert_eq!((limits[0].first, limits[0].count, limits[0].entries), (0, 4, 10));
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn index_limits(&self) -> Vec<IndexLimit> {
        let limits = self.layers().iter().filter_map(|node| {
            let Operation::Module(module) = &node.operation else {
                return None;
            };
            let input = *node.inputs.first()?;
            let count = match input {
                ValueRef::Features => self.input_width(),
                ValueRef::Layer(at) => self.layers()[at].output.iter().product(),
            };
            Some(IndexLimit {
                first: self.first_feature(input)?,
                count,
                entries: module.index_entries()?,
            })
        });
        limits.collect()
    }

    /// The features that a layer takes for counts, which are at least 0; those that are computed first are not among them.
    pub(crate) fn counted_features(&self) -> Vec<Range<usize>> {
        let counted = self.layers().iter().filter_map(|node| {
            let Operation::Module(module) = &node.operation else {
                return None;
            };
            if !module.needs_counts() {
                return None;
            }
            let first = self.first_feature(*node.inputs.first()?)?;
            let width = *self.parameters().get(node.parameters.start)?.shape.first()?;
            Some(first..first + width)
        });
        counted.collect()
    }

    /// Where the elements of a value stand among the features, one after another; `None` where they are computed.
    fn first_feature(&self, value: ValueRef) -> Option<usize> {
        let (mut value, mut first) = (value, 0);
        while let ValueRef::Layer(at) = value {
            let node = &self.layers()[at];
            match &node.operation {
                Operation::View => {}
                Operation::Elementwise(function) if function.only_training() => {}
                Operation::Module(module) => first += module.selected()?,
                Operation::Elementwise(_) => return None,
            }
            value = *node.inputs.first()?;
        }
        Some(first)
    }
}
