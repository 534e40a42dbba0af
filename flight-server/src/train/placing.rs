//! The network of a job on what this process computes with.

use candlewick_model::device;
use candlewick_model::kernels::SimdLevel;
use candlewick_model::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::precision::Precision;

/// The network of a job as this process computes it. Warns where products of bf16 on processors are slower than those of f32.
///
/// # Errors
/// `InvalidParameter` where a document is wrong, or the device refuses the network.
pub(super) fn network_of(job: &JobSpec) -> Result<Network, Failure> {
    let network = device::placed(&Network::of_job(job)?)?;
    let emulated = emulated(network.precision(), SimdLevel::detect());
    if let Some(warning) = emulated.filter(|_| device::kind() == "cpu") {
        tracing::warn!("{warning}");
    }
    Ok(network)
}

/// What to say where a processor has no instruction for products of bf16.
fn emulated(precision: Precision, level: SimdLevel) -> Option<String> {
    (precision == Precision::Bf16 && level < SimdLevel::Avx512Bf16).then(|| {
        format!(
            "precision is \"bf16\", but the processor of this host has no avx512_bf16 (it is {}): products of matrices give the same bits \
             there, and take 6 to 20 times as long as in f32; train on hosts that have it, or set precision to \"f32\"",
            level.name()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bf16_without_its_instruction_is_warned_of() {
        let levels = [SimdLevel::Generic, SimdLevel::Avx2, SimdLevel::Avx512];
        for level in levels {
            let said = emulated(Precision::Bf16, level).unwrap();
            assert!(said.contains(&format!("(it is {})", level.name())), "{said}");
            assert!(said.contains("set precision to \"f32\""), "{said}");
            assert_eq!(emulated(Precision::F32, level), None);
        }
        assert_eq!(emulated(Precision::Bf16, SimdLevel::Avx512Bf16), None);
    }
}
