//! Networks whose features may be given by what is not zero of them.

use super::{LayerNode, Network, ValueRef};
use crate::layers::Operation;
use crate::parameter::{SparseLayout, SparseParameter};
use candlewick_protocol::Failure;
use std::sync::Arc;

impl Network {
    /// Whether training takes rows of which only what is not zero is there: everything that reads the features is a linear layer over
    /// whole rows, and its weights meet nothing else. In bf16 it never does: products of rows of zeros are those of f32.
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
        self.precision().is_f32() && self.sparse_readers().is_some()
    }

    /// The same network for training with rows of which only what is not zero is there. Of the weights that meet them a step touches
    /// few columns: they are [`Network::sparse_parameters`]. Weights, their hash and all bits are those of the network itself. Rows may
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
                "rows of zeros for a network that does not begin with linear layers over whole rows",
            )
        })?;
        let mut inner = (*self.inner).clone();
        for reader in readers {
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
        let all = !readers.is_empty() && readers.iter().all(|node| takes(node) && !shared(node));
        (all && !reads(&self.output_value())).then_some(readers)
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
