//! Which of the features are indices of tables, or counts.

use super::{Network, ValueRef};
use crate::layers::Operation;
use candlewick_protocol::feed::FeatureLimit;

impl Network {
    /// The features of which a layer does not take every number: indices of its table, or counts, as they come in. Those that
    /// are computed first are not among them.
    ///
    /// ```
    /// use candlewick_model::network::Network;
    /// use candlewick_protocol::feed::FeatureDomain;
    /// use serde_json::json;
    /// let document = json!({"format": "candlewick.network/1", "layers": [
    ///     {"type": "Embedding", "num_embeddings": 10, "embedding_dim": 2}]});
    /// let limits = Network::from_document(&document, &[4])?.feature_limits();
    /// assert_eq!((limits[0].first, limits[0].count, limits[0].domain), (0, 4, FeatureDomain::Index(10)));
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn feature_limits(&self) -> Vec<FeatureLimit> {
        let limits = self.layers().iter().filter_map(|node| {
            let Operation::Module(module) = &node.operation else {
                return None;
            };
            let domain = module.input_domain()?;
            let input = *node.inputs.first()?;
            let count = match input {
                ValueRef::Features => self.input_width(),
                ValueRef::Layer(at) => self.layers()[at].output.iter().product(),
            };
            Some(FeatureLimit {
                first: self.first_feature(input)?,
                count,
                domain,
            })
        });
        limits.collect()
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
