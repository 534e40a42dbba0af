//! The network of a job.

use super::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::features::FeatureType;
use candlewick_protocol::job::JobSpec;

impl Network {
    /// The network of a job as its trainers compute it: made for rows of which only what is not zero is there, where rows come
    /// so and the network takes them.
    ///
    /// ```
    /// use candlewick_model::{job::complete, network::Network};
    /// let input = serde_json::json!({"job": "00", "task": "classifier", "featureWidth": 1000, "featureTypes": ["vector"],
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
        let network = Network::from_document(&job.train.network, &job.data.input_shape)?;
        if job.data.feature_encoding.kind == FeatureType::Sparse && network.takes_sparse() {
            return network.with_sparse_input();
        }
        Ok(network)
    }
}
