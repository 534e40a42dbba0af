//! `gradientCompression = "powersgd:rank"`: whether a rank makes anything smaller.

use crate::compression::LowRank;
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::GradientCompression;

/// Refuses a rank that makes no weight of the network smaller.
pub(super) fn check(compression: GradientCompression, network: &Network) -> Result<(), Failure> {
    let Some(rank) = compression.rank() else {
        return Ok(());
    };
    let most = LowRank::largest(network);
    if most.is_some_and(|most| rank as usize <= most) {
        return Ok(());
    }
    let change = match most {
        Some(most) => format!("lower the rank to {most} at most, or take another compression"),
        None => "take another compression".to_owned(),
    };
    Err(Failure::parameter(format!(
        "gradientCompression = \"{compression}\" makes no weight of this network smaller: a matrix of n by m values is sent as \
         {rank} (n + m) of them; {change}"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, network};
    use serde_json::json;

    #[test]
    fn a_rank_that_makes_nothing_smaller_is_refused_with_the_largest_that_does() {
        let of = |name: &str, width: u32| {
            let params = json!({"network": network(), "gradientCompression": name});
            ask(&params, &json!({"featureWidth": width})).map_err(|failure| failure.message)
        };
        assert!(of("powersgd:9", 784).is_ok());
        let told = of("powersgd:10", 784).unwrap_err();
        assert!(
            told.contains("gradientCompression = \"powersgd:10\"") && told.contains("lower the rank to 9"),
            "{told}"
        );
        let told = of("powersgd:1", 1).unwrap_err();
        assert!(
            told.contains("take another compression") && !told.contains("lower"),
            "{told}"
        );
    }
}
