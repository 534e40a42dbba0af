//! The network of a job on what this process computes with.

use candlewick_model::device;
use candlewick_model::kernels::{self, SimdLevel};
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
    let told = advice(network.precision(), SimdLevel::detect(), kernels::has_amx());
    if let Some(warning) = told.filter(|_| device::kind() == "cpu") {
        tracing::warn!("{warning}");
    }
    Ok(network)
}

/// What to say where a processor has no instruction for products of a precision, or a faster one for another.
fn advice(precision: Precision, level: SimdLevel, amx: bool) -> Option<String> {
    let (lacks, other) = match precision {
        Precision::Bf16 if level < SimdLevel::Avx512Bf16 => ("avx512_bf16", ""),
        Precision::Bf16 if amx => {
            return Some(
                "precision is \"bf16\", for which this processor's AMX has no products: they take longer than those of f32; \
                 set precision to \"bf16_amx\", whose products take a third, where all hosts have AMX"
                    .to_owned(),
            );
        }
        Precision::Bf16Amx if !amx => {
            let other = if level == SimdLevel::Avx512Bf16 {
                "\"bf16\" or "
            } else {
                ""
            };
            ("amx_bf16, or its system does not let programs use it", other)
        }
        _ => return None,
    };
    Some(format!(
        "precision is \"{}\", but the processor of this host has no {lacks} (it is {}): products of matrices give the same bits there, and \
         take 6 to 20 times as long as in f32; train on hosts that have it, or set precision to {other}\"f32\"",
        precision.name(),
        level.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bf16_without_its_instruction_is_warned_of() {
        let levels = [SimdLevel::Generic, SimdLevel::Avx2, SimdLevel::Avx512];
        for level in levels {
            let said = advice(Precision::Bf16, level, true).unwrap();
            assert!(said.contains(&format!("(it is {})", level.name())), "{said}");
            assert!(said.contains("set precision to \"f32\""), "{said}");
            assert_eq!(advice(Precision::F32, level, false), None);
            let said = advice(Precision::Bf16Amx, level, false).unwrap();
            assert!(said.contains("set precision to \"f32\""), "{said}");
        }
        assert_eq!(advice(Precision::Bf16, SimdLevel::Avx512Bf16, false), None);
        let said = advice(Precision::Bf16, SimdLevel::Avx512Bf16, true).unwrap();
        assert!(said.contains("set precision to \"bf16_amx\""), "{said}");
        assert_eq!(advice(Precision::Bf16Amx, SimdLevel::Avx512Bf16, true), None);
        let said = advice(Precision::Bf16Amx, SimdLevel::Avx512Bf16, false).unwrap();
        assert!(
            said.contains("has no amx_bf16") && said.contains("set precision to \"bf16\" or \"f32\""),
            "{said}"
        );
    }
}
