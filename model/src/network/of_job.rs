//! The network of a job.

use super::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::features::FeatureType;
use candlewick_protocol::job::{DataSpec, JobSpec};

/// From one value in so many that is not zero on, a step over sparse rows takes no longer than one over dense ones
/// (`cargo bench -p candlewick-model --bench sparse_input`, docs/performance.md).
const SPARSE_IN_TRAINING: u64 = 128;

impl Network {
    /// The network of a job as its trainers compute it: made for rows of which only what is not zero is there, where rows come
    /// so, the network takes them, and so few values of a row are not zero that it is faster: any number of them where bags of counts
    /// are all that reads them ([`Network::skips_zeros`]), since products pay for zeros and bags do not. The bits are the same either
    /// way.
    ///
    /// ```
    /// use candlewick_model::{job::complete, network::Network};
    /// let input = serde_json::json!({"job": "00", "task": "classifier", "featureWidth": 10000, "featureTypes": ["vector"],
    ///     "nonzeros": 20, "params": {"network": {"format": "candlewick.network/1",
    ///     "layers": [{"type": "Linear", "out_features": 3}]}}});
    /// let job = complete(&serde_json::from_value(input)?)?.job;
    /// assert!(Network::of_job(&job)?.has_sparse_input());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` where its document is wrong.
    pub fn of_job(job: &JobSpec) -> Result<Network, Failure> {
        let network = Network::from_document(&job.train.network, &job.data.input_shape)?
            .with_precision(job.train.precision)
            .with_tf32(job.train.allow_tf32);
        if network.goes_by_columns(&job.data) {
            return network.with_sparse_input();
        }
        Ok(network)
    }

    /// Whether trainers of this network compute over such rows by the columns that are not 0.
    pub(crate) fn goes_by_columns(&self, data: &DataSpec) -> bool {
        let encoding = &data.feature_encoding;
        let width = u64::from(data.feature_width);
        let few = encoding
            .nonzeros
            .is_none_or(|nonzeros| nonzeros.saturating_mul(SPARSE_IN_TRAINING) <= width);
        encoding.kind == FeatureType::Sparse && self.takes_sparse() && (few || self.skips_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::complete;
    use serde_json::json;

    #[test]
    fn rows_that_are_only_somewhat_sparse_are_computed_as_dense_ones() {
        let sparse = |nonzeros: u64| {
            let layers = json!([{"type": "Linear", "out_features": 3}]);
            let input = json!({"job": "00", "task": "classifier", "featureWidth": 12800, "featureTypes": ["vector"],
                "nonzeros": nonzeros,
                "params": {"network": {"format": "candlewick.network/1", "layers": layers}}});
            let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
            assert_eq!(job.data.feature_encoding.kind, FeatureType::Sparse);
            Network::of_job(&job).unwrap().has_sparse_input()
        };
        assert!(sparse(100) && !sparse(101));
    }
}
