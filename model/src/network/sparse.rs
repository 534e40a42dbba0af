//! Networks whose features may be given by what is not zero of them.

use super::{LayerNode, Network, ValueRef};
use crate::layers::Operation;
use crate::parameter::{SparseLayout, SparseParameter};
use candlewick_protocol::Failure;
use std::sync::Arc;

impl Network {
    /// Whether training takes rows of which only what is not zero is there: everything that reads the features is a linear layer over
    /// whole rows, whose weights meet nothing else, or a bag of counts. In bf16 linear layers never do: products of rows of zeros are
    /// those of f32.
    ///
    /// ```
    /// use candlewick_model::network::Network;
    /// let network = |first| {
    ///     let layers = serde_json::json!([{"type": first}, {"type": "Linear", "out_features": 2}]);
    ///     Network::from_document(&serde_json::json!({"format": "candlewick.network/1", "layers": layers}), &[3])
    /// };
    /// assert!(network("Flatten")?.takes_sparse());
    /// assert!(!network("Dropout")?.takes_sparse());
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    #[must_use]
    pub fn takes_sparse(&self) -> bool {
        let readers = self.sparse_readers();
        readers.is_some_and(|all| self.precision().is_f32() || all.into_iter().all(skips_zeros))
    }

    /// Whether rows of which only what is not zero is there are taken, and never take longer than rows with their zeros: all that
    /// reads the features is bags of counts.
    #[must_use]
    pub fn skips_zeros(&self) -> bool {
        let readers = self.sparse_readers();
        readers.is_some_and(|all| all.into_iter().all(skips_zeros))
    }

    /// The same network for training with rows of which only what is not zero is there. Of the weights that meet them a step touches
    /// few columns, or rows of a table: they are [`Network::sparse_parameters`]. Weights, their hash and all bits are those of the network itself. Rows may
    /// also be given with their zeros. To be called before the network is placed on a device; what meets the rows stays on the host.
    ///
    /// ```
    /// use candlewick_model::{engine::{Batch, Engine, NodeGradient, Slice}, kernels::Csr, network::Network};
    /// use candlewick_protocol::job::LabelKind;
    /// let document = serde_json::json!({"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 1}]});
    /// let network = Network::from_document(&document, &[1000])?.with_sparse_input()?;
    /// let mut engine = Engine::new(&network, &serde_json::json!({"type": "MSELoss"}), &LabelKind::Real { width: 1 }, 0, 1)?;
    /// let mut rows = Csr::default();
    /// rows.push(7, 2.0);
    /// rows.end_row();
    /// let batch = Batch { step: 0, slices: &[Slice { shard: 0, rows: 1 }], features: (&rows).into(), labels: &[1.0], weights: &[1.0] };
    /// let mut nodes = [NodeGradient::new(0, 1)];
    /// engine.step(&vec![0.0; 1001], &batch, &mut nodes)?;
    /// assert_eq!((&nodes[0].sparse_rows[0].indices[..], &nodes[0].sparse_rows[0].values[..]), (&[7][..], &[-4.0][..]));
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `Internal` where it does not take them: [`Network::takes_sparse`].
    pub fn with_sparse_input(&self) -> Result<Network, Failure> {
        let readers = self.sparse_readers().ok_or_else(|| {
            Failure::internal(
                "rows of zeros for a network that does not begin with linear layers over whole rows or bags of counts",
            )
        })?;
        let mut inner = (*self.inner).clone();
        // Tables are sparse parameters already.
        for reader in readers.into_iter().filter(|reader| !skips_zeros(reader)) {
            let weight = &self.parameters()[reader.parameters.start];
            let [width, entries] = weight.shape[..] else {
                continue;
            };
            let sparse = SparseParameter {
                offset: weight.offset,
                entries,
                width,
                layout: SparseLayout::Columns,
            };
            let all = &mut inner.sparse_parameters;
            let place = all.partition_point(|one| one.offset < sparse.offset);
            // A layer that is called twice is there once.
            if all.get(place) != Some(&sparse) {
                all.insert(place, sparse);
            }
        }
        inner.sparse_input = true;
        Ok(Network {
            inner: Arc::new(inner),
        })
    }

    /// Whether it was made by [`Network::with_sparse_input`].
    #[must_use]
    pub fn has_sparse_input(&self) -> bool {
        self.inner.sparse_input
    }

    /// What reads the features, where all of it takes rows of zeros.
    fn sparse_readers(&self) -> Option<Vec<&LayerNode>> {
        let reads = |value: &ValueRef| self.is_features(*value);
        let computes = |node: &&LayerNode| !matches!(node.operation, Operation::View);
        let (readers, others): (Vec<&LayerNode>, Vec<&LayerNode>) = self
            .layers()
            .iter()
            .filter(computes)
            .partition(|node| node.inputs.iter().any(reads));
        let takes = |node: &&LayerNode| match &node.operation {
            Operation::Module(module) => module.takes_sparse() && node.inputs.len() == 1,
            _ => false,
        };
        let shared = |node: &&LayerNode| others.iter().any(|other| other.parameters == node.parameters);
        // The gradient of a table goes by its rows, whatever it meets.
        let alone = |node: &&LayerNode| skips_zeros(node) || !shared(node);
        let all = !readers.is_empty() && readers.iter().all(|node| takes(node) && alone(node));
        (all && !reads(&self.output_value())).then_some(readers)
    }

    /// Whether a layer reads the features alone, maybe in another shape.
    pub(crate) fn reads_features(&self, node: &LayerNode) -> bool {
        node.inputs.iter().all(|value| self.is_features(*value))
    }

    /// Whether a value is the features, maybe in another shape.
    fn is_features(&self, mut value: ValueRef) -> bool {
        while let ValueRef::Layer(at) = value {
            let node = &self.layers()[at];
            match (&node.operation, node.inputs.first()) {
                (Operation::View, Some(input)) => value = *input,
                _ => return false,
            }
        }
        true
    }
}

/// Whether the layer passes over zeros, also of dense rows.
fn skips_zeros(node: &LayerNode) -> bool {
    matches!(&node.operation, Operation::Module(module) if module.skips_zeros())
}
