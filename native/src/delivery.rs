//! The trained model on its way from the coordinator to the JVM: what arrived is what the trainers computed.

use candlewick_coordinator::TrainedModel;
use candlewick_model::network::Network;
use candlewick_protocol::{ErrorKind, Failure};
use std::sync::Arc;

/// The weights file, once its weightsHash (rule B12) is that which every trainer reported.
///
/// # Errors
/// `JobFailed` where it is another; `InvalidParameter` where it is no file of the job's network.
pub fn checked(model: TrainedModel) -> Result<Arc<Vec<u8>>, Failure> {
    let network = Network::from_document(&model.job.train.network, &model.job.data.input_shape)?;
    let hash = network.weights_hash_of_file(&model.file)?;
    if hash == model.weights_hash {
        return Ok(model.file);
    }
    Err(Failure::new(
        ErrorKind::JobFailed,
        format!(
            "the weights that arrived have the hash {hash}, those that the trainers computed {}: the file was damaged on \
             its way to the driver; fit again",
            model.weights_hash
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::job::JobSpec;
    use serde_json::json;

    #[test]
    fn a_file_with_a_bit_turned_is_refused() {
        let document =
            json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]});
        let network = Network::from_document(&document, &[4]).unwrap();
        let weights = network.initial_weights(7);
        let mut model = TrainedModel {
            job: job(document),
            file: Arc::new(network.save_weights(&weights).unwrap()),
            weights_hash: network.weights_hash(&weights),
        };
        assert_eq!(checked(model.clone()).unwrap(), model.file);
        *Arc::make_mut(&mut model.file).last_mut().unwrap() ^= 1;
        let failure = checked(model).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::JobFailed);
        assert!(failure.message.contains("damaged on its way"), "{failure}");
    }

    fn job(network: serde_json::Value) -> JobSpec {
        let request = json!({
            "job": "j",
            "data": {"featureWidth": 4, "inputShape": [4], "label": {"kind": "real", "width": 3}},
            "train": {
                "network": network, "loss": {}, "optimizer": {}, "epochs": 1, "batchSize": 1, "dropLast": false,
                "seed": 0, "logicalShards": 8, "clipNorm": null, "clipValue": null, "lrScheduler": null,
                "gradientAccumulationSteps": 1, "emaDecay": null, "onNonFinite": "error",
            },
            "failureTimeoutMs": 15_000,
            "maxRecoveries": 3, "progressTimeoutMs": 60_000,
        });
        serde_json::from_value(request).unwrap()
    }
}
