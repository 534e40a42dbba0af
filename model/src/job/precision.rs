//! `precision` and `allowTF32`: what the parameters say, and what they do not go together with.

use candlewick_protocol::Failure;
use candlewick_protocol::job::{DeviceKind, JobSpec, Precision};
use candlewick_protocol::params::Complete;
use std::collections::BTreeMap;

/// What the parameters say, of a device that computes in it where it is known.
pub(super) fn precision(params: &Complete, device: Option<DeviceKind>) -> Result<Precision, Failure> {
    let precision = Precision::read(params.value("precision").as_str().unwrap_or_default())?;
    match device.and_then(|device| refusal(precision, device)) {
        Some(why) => Err(Failure::parameter(why)),
        None => Ok(precision),
    }
}

/// Why a kind of device does not compute in a precision; none where it does.
fn refusal(precision: Precision, device: DeviceKind) -> Option<String> {
    let why = match (precision, device) {
        (Precision::Fp16, DeviceKind::Cpu) => {
            "precision = \"fp16\" is for GPUs only, and processors have no fast products of it: set precision to \"bf16\", which is as \
             short and has the range of f32, or to \"f32\""
        }
        (Precision::Bf16Amx, DeviceKind::Cuda) => {
            "precision = \"bf16_amx\" is for processors only, in whose order it adds: set precision to \"bf16\" for GPUs, or device to \
             \"cpu\""
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// The kinds of devices that do not compute in a precision, each with why: the driver chooses among the others.
pub(super) fn refusals(precision: Precision) -> BTreeMap<String, String> {
    let all = [("cpu", DeviceKind::Cpu), ("cuda", DeviceKind::Cuda)];
    let refused = all.into_iter().filter_map(|(name, device)| {
        let why = refusal(precision, device)?;
        Some((name.to_owned(), why))
    });
    refused.collect()
}

/// With fp16 a step may be left out by all trainers once its whole gradient is known, and gradients are multiples of what they will
/// be until then. Refuses what looks at them before, or applies them later.
pub(super) fn check(job: &JobSpec) -> Result<(), Failure> {
    let train = &job.train;
    if train.precision != Precision::Fp16 {
        return Ok(());
    }
    let (with, why) = if let Some(local) = &train.local_steps {
        let with = format!("localSteps = {}", local.steps);
        (with, "shards update their weights by themselves")
    } else if !train.asynchrony.is_none() {
        let delayed = train.asynchrony.is_delayed();
        let with = format!("asynchrony = \"{}\"", if delayed { "delayed" } else { "stale" });
        (
            with,
            "gradients are applied when the factor of the loss may be another",
        )
    } else if !train.gradient_compression.is_none() {
        let with = format!("gradientCompression = \"{}\"", train.gradient_compression);
        (
            with,
            "what is compressed would be a multiple of the gradient, which may be infinite",
        )
    } else {
        return Ok(());
    };
    Err(Failure::parameter(format!(
        "precision = \"fp16\" does not go together with {with}: {why}; set precision to \"bf16\", or leave the other out"
    )))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, network};
    use candlewick_protocol::job::Precision;
    use serde_json::{Value, json};

    fn with(more: &Value, input: &Value) -> Result<(Precision, Value), String> {
        let mut params = json!({"network": network(), "precision": "fp16"});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let asked = ask(&params, input).map_err(|failure| failure.message)?;
        Ok((asked.job.train.precision, json!(asked.launch.device_refusals)))
    }

    #[test]
    fn fp16_is_for_gpus_and_the_driver_hears_so_before_it_chooses() {
        let on = |device: &str| with(&json!({}), &json!({"device": device}));
        assert_eq!(on("cuda").unwrap().0, Precision::Fp16);
        let told = on("cpu").unwrap_err();
        assert!(
            told.contains("fp16\" is for GPUs only") && told.contains("set precision to \"bf16\""),
            "{told}"
        );
        // Not chosen yet.
        assert_eq!(
            with(&json!({}), &json!({})).unwrap(),
            (Precision::Fp16, json!({"cpu": told}))
        );
        for precision in ["f32", "bf16"] {
            for device in ["cpu", "cuda"] {
                let more = json!({"precision": precision});
                assert_eq!(with(&more, &json!({"device": device})).unwrap().1, json!({}));
            }
        }
    }

    #[test]
    fn the_order_of_amx_is_for_processors() {
        let on = |device: &str| with(&json!({"precision": "bf16_amx"}), &json!({"device": device}));
        assert_eq!(on("cpu").unwrap().0, Precision::Bf16Amx);
        let told = on("cuda").unwrap_err();
        assert!(
            told.contains("is for processors only") && told.contains("set precision to \"bf16\""),
            "{told}"
        );
    }

    #[test]
    fn what_looks_at_gradients_before_they_are_divided_is_refused_by_name() {
        for (more, named) in [
            (json!({"localSteps": 4}), "localSteps = 4"),
            (json!({"asynchrony": "delayed"}), "asynchrony = \"delayed\""),
            (json!({"asynchrony": "stale"}), "asynchrony = \"stale\""),
            (
                json!({"gradientCompression": "bf16"}),
                "gradientCompression = \"bf16\"",
            ),
            (
                json!({"gradientCompression": "auto"}),
                "gradientCompression = \"auto\"",
            ),
        ] {
            let told = with(&more, &json!({"device": "cuda"})).unwrap_err();
            assert!(
                told.contains(named) && told.contains("set precision to \"bf16\""),
                "{told}"
            );
            let mut other = more.clone();
            other["precision"] = json!("bf16");
            assert!(with(&other, &json!({"device": "cuda"})).is_ok(), "{named}");
        }
    }
}
