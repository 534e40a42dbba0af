//! What the driver of NVIDIA's GPUs says of this host, asked before anything is computed: what is wrong with a driver or a
//! device is known before a gang starts.

use candlewick_protocol::Failure;
use serde_json::{Value, json};

/// The version of CUDA that the kernels are compiled with (`tools/cuda.sh`), as the driver counts: 1000 for each major and 10
/// for each minor version. A driver of the same major version runs them.
#[cfg(any(test, feature = "candle"))]
const NEEDED: i32 = 13_000;
/// The oldest driver that has it.
#[cfg(any(test, feature = "cuda"))]
const NEEDED_DRIVER: &str = "580";

/// A GPU that this process sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// What its maker calls it.
    pub name: String,
    /// Its memory, bytes.
    pub memory: u64,
}

/// The GPUs that this process sees, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpus {
    /// The newest CUDA that the driver runs, such as `13.0`.
    pub cuda: String,
    /// Those that `CUDA_VISIBLE_DEVICES` shows.
    pub gpus: Vec<Gpu>,
}

impl Gpus {
    /// `{"cuda": text, "gpus": [{"name": text, "memory": bytes}...]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let one = |gpu: &Gpu| json!({"name": gpu.name, "memory": gpu.memory});
        json!({"cuda": self.cuda, "gpus": self.gpus.iter().map(one).collect::<Vec<_>>()})
    }
}

/// Asks the driver. A process that has asked computes nothing yet.
///
/// # Errors
/// `InvalidParameter` where there is no driver, one that is too old, or no GPU; with what to do.
pub fn look() -> Result<Gpus, Failure> {
    #[cfg(feature = "cuda")]
    {
        cuda::look()
    }
    #[cfg(not(feature = "cuda"))]
    Err(Failure::parameter(
        "this is a trainer for the CPU, which sees no GPU: start candlewick-trainer-gpu, which the artifact candlewick-cuda \
         holds (`make gpu` builds it)",
    ))
}

/// A rehearsal on processors sees as many GPUs as `visible` (the variable `CUDA_VISIBLE_DEVICES`) names, of a host that has
/// eight.
///
/// # Errors
/// As of [`look`], where it names one that is not there.
#[cfg(any(test, feature = "candle"))]
pub fn rehearsed(visible: Option<&str>) -> Result<Gpus, Failure> {
    const HAS: usize = 8;
    let named = visible.map_or_else(
        || (0..HAS).map(|number| number.to_string()).collect(),
        |text| text.split(',').map(str::to_owned).collect::<Vec<_>>(),
    );
    // As CUDA does: what comes after one that is not there does not count.
    let there = |name: &&String| name.parse().is_ok_and(|number: usize| number < HAS);
    let gpus: Vec<Gpu> = named
        .iter()
        .take_while(there)
        .map(|_| Gpu {
            name: "a rehearsal on processors".to_owned(),
            memory: 1 << 40,
        })
        .collect();
    if gpus.is_empty() {
        return Err(refused(NO_DEVICE, "no CUDA-capable device is detected", visible));
    }
    Ok(Gpus {
        cuda: version(NEEDED),
        gpus,
    })
}

/// What tells a GPU that this process sees from others.
#[cfg(any(test, feature = "cuda"))]
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Its place on the bus, by which `nvidia-smi` counts.
    bus: String,
    /// `GPU-` and its number among all.
    uuid: String,
}

/// The number that a GPU has in this process, of the address that Spark has for it: its place in the order of the bus (as
/// `nvidia-smi` and discovery scripts count), or its UUID.
///
/// # Errors
/// `InvalidParameter` where this process does not see it, or the driver does not answer; with what to do.
#[cfg(feature = "candle")]
pub(super) fn number_of(address: &str) -> Result<usize, Failure> {
    #[cfg(feature = "cuda")]
    {
        cuda::number_of(address)
    }
    #[cfg(not(feature = "cuda"))]
    Err(Failure::parameter(format!(
        "this build cannot compute on the GPU {address}: it was made without the feature cuda; `make gpu` builds the one that can"
    )))
}

/// The same, of the variable `CUDA_VISIBLE_DEVICES` and the GPUs that CUDA numbers from 0 on.
#[cfg(any(test, feature = "cuda"))]
fn numbered(address: &str, visible: Option<&str>, seen: &[Seen]) -> Result<usize, Failure> {
    let found = if let Ok(place) = address.parse::<usize>() {
        match visible {
            // The variable counts as the address does, and CUDA numbers what it names in its order.
            Some(visible) => visible.split(',').position(|name| name.trim() == address),
            None => {
                let mut sorted: Vec<usize> = (0..seen.len()).collect();
                sorted.sort_by(|a, b| seen[*a].bus.cmp(&seen[*b].bus));
                sorted.get(place).copied()
            }
        }
    } else {
        let mut all = seen.iter();
        all.position(|gpu| !address.is_empty() && gpu.uuid.eq_ignore_ascii_case(address))
    };
    found.filter(|number| *number < seen.len()).ok_or_else(|| {
        let shown = visible.map_or_else(
            || "CUDA_VISIBLE_DEVICES is not set".to_owned(),
            |value| format!("CUDA_VISIBLE_DEVICES={value}"),
        );
        Failure::parameter(format!(
            "the executor's own process sees {} GPU(s), and none by the address {address} ({shown}): take the variable out of \
             spark.executorEnv, have it name the GPUs by the addresses that the discovery script prints, or set scoreDevice to \
             \"cpu\" (parts of a GPU, MIG, train but do not score)",
            seen.len()
        ))
    })
}

// Numbers of the driver's errors (CUresult in cuda.h).
#[cfg(any(test, feature = "candle"))]
const NO_DEVICE: i32 = 100;
#[cfg(any(test, feature = "candle"))]
const INVALID_DEVICE: i32 = 101;
#[cfg(any(test, feature = "candle"))]
const STUB: i32 = 34;
#[cfg(any(test, feature = "candle"))]
const MISMATCH: i32 = 803;

/// What an error of the driver means for who started a fit.
#[cfg(any(test, feature = "candle"))]
fn refused(code: i32, text: &str, visible: Option<&str>) -> Failure {
    let shown = visible.map_or_else(
        || "CUDA_VISIBLE_DEVICES is not set".to_owned(),
        |value| format!("CUDA_VISIBLE_DEVICES={value}"),
    );
    let what = match code {
        NO_DEVICE | INVALID_DEVICE => format!(
            "this host has no GPU by the address that was asked for ({shown}): `nvidia-smi -L` lists those it has; correct what \
             the discovery script prints (spark.executor.resource.gpu.discoveryScript), give the container its GPUs, or set \
             device to \"cpu\""
        ),
        STUB => "the loader found CUDA's stub of libcuda.so.1 and not the driver's: take the folder lib/stubs out of \
                 LD_LIBRARY_PATH, or set device to \"cpu\""
            .to_owned(),
        MISMATCH => format!(
            "the NVIDIA driver's library and its kernel module are of different versions: restart the host after an update of the \
             driver, or set device to \"cpu\" ({shown})"
        ),
        _ => format!(
            "the NVIDIA driver gives error {code} ({text}; {shown}): see whether `nvidia-smi` works on this host, or set device to \
             \"cpu\""
        ),
    };
    Failure::parameter(what)
}

/// A driver that is too old for the kernels.
#[cfg(any(test, feature = "cuda"))]
fn check_version(has: i32) -> Result<(), Failure> {
    if has / 1000 >= NEEDED / 1000 {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "the NVIDIA driver of this host runs CUDA {} at most, and this trainer was compiled with CUDA {}: install driver \
         {NEEDED_DRIVER} or newer, or set device to \"cpu\"",
        version(has),
        version(NEEDED)
    )))
}

#[cfg(any(test, feature = "candle"))]
fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

#[cfg(feature = "cuda")]
mod cuda {
    use super::{Gpu, Gpus, Seen, check_version, numbered, refused, version};
    use candle_core::cuda_backend::cudarc::driver::{DriverError, result, sys};
    use candlewick_protocol::Failure;

    pub(super) fn look() -> Result<Gpus, Failure> {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        asked().map_err(|error| {
            let text = error.to_string();
            refused(error.0 as i32, &text, visible.as_deref())
        })?
    }

    pub(super) fn number_of(address: &str) -> Result<usize, Failure> {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let seen = seen().map_err(|error| {
            let text = error.to_string();
            refused(error.0 as i32, &text, visible.as_deref())
        })?;
        numbered(address, visible.as_deref(), &seen)
    }

    /// The GPUs that this process sees, by number.
    fn seen() -> Result<Vec<Seen>, DriverError> {
        result::init()?;
        let one = |number| {
            let device = result::device::get(number)?;
            let mut bus = [0u8; 32];
            // SAFETY: the device is one that the driver has just given, and the text has the room that is said.
            unsafe { sys::cuDeviceGetPCIBusId(bus.as_mut_ptr().cast(), 32, device) }.result()?;
            let end = bus.iter().position(|byte| *byte == 0).unwrap_or(bus.len());
            let id = result::device::get_uuid(device)?.bytes;
            let hex = |range: std::ops::Range<usize>| -> String {
                id[range]
                    .iter()
                    .map(|byte| format!("{:02x}", *byte as u8))
                    .collect()
            };
            let parts = [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)];
            Ok(Seen {
                bus: String::from_utf8_lossy(&bus[..end]).into_owned(),
                uuid: format!("GPU-{}", parts.join("-")),
            })
        };
        (0..result::device::get_count()?).map(one).collect()
    }

    /// The driver's own errors outside, what is too old within.
    fn asked() -> Result<Result<Gpus, Failure>, DriverError> {
        let mut has = 0;
        // SAFETY: the function writes one number, into one that lives; it wants no call of cuInit before.
        unsafe { sys::cuDriverGetVersion(&raw mut has) }.result()?;
        if let Err(failure) = check_version(has) {
            return Ok(Err(failure));
        }
        result::init()?;
        let count = result::device::get_count()?;
        if count == 0 {
            return Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE));
        }
        let one = |number| {
            let device = result::device::get(number)?;
            // SAFETY: the device is one that the driver has just given.
            let memory = unsafe { result::device::total_mem(device) }?;
            Ok(Gpu {
                name: result::device::get_name(device)?,
                memory: memory as u64,
            })
        };
        let gpus = (0..count).map(one).collect::<Result<_, DriverError>>()?;
        Ok(Ok(Gpus {
            cuda: version(has),
            gpus,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_of_an_older_major_version_is_refused_with_both_versions() {
        assert!(
            check_version(13_000).is_ok() && check_version(13_020).is_ok() && check_version(14_000).is_ok()
        );
        let told = check_version(12_090).unwrap_err().message;
        assert!(
            told.contains("runs CUDA 12.9 at most") && told.contains("CUDA 13.0: install driver 580"),
            "{told}"
        );
    }

    #[test]
    fn errors_of_the_driver_say_what_to_do() {
        for (code, expected) in [
            (NO_DEVICE, "(CUDA_VISIBLE_DEVICES=9): `nvidia-smi -L` lists"),
            (INVALID_DEVICE, "(CUDA_VISIBLE_DEVICES=9): `nvidia-smi -L` lists"),
            (STUB, "take the folder lib/stubs out"),
            (MISMATCH, "restart the host"),
            (999, "error 999 (unknown; CUDA_VISIBLE_DEVICES=9)"),
        ] {
            let told = refused(code, "unknown", Some("9")).message;
            assert!(
                told.contains(expected) && told.contains("set device to \"cpu\""),
                "{told}"
            );
        }
        let told = refused(NO_DEVICE, "", None).message;
        assert!(told.contains("(CUDA_VISIBLE_DEVICES is not set)"), "{told}");
    }

    #[test]
    fn an_address_is_the_number_that_cuda_has_for_it() {
        let gpu = |bus: &str, uuid: &str| Seen {
            bus: bus.to_owned(),
            uuid: uuid.to_owned(),
        };
        // CUDA counts the fastest first.
        let seen = [gpu("0000:C1:00.0", "GPU-c1"), gpu("0000:03:00.0", "GPU-03")];
        let number = |address, visible| numbered(address, visible, &seen).ok();
        assert_eq!(
            (number("0", None), number("1", None), number("2", None)),
            (Some(1), Some(0), None)
        );
        assert_eq!(
            (number("gpu-03", None), number("GPU-04", None), number("", None)),
            (Some(1), None, None)
        );
        assert_eq!(
            (number("5", Some("4, 5")), number("0", Some("4,5"))),
            (Some(1), None)
        );
        assert_eq!(
            number("6", Some("4,5,6")),
            None,
            "CUDA sees less than the variable names"
        );
        let told = numbered("7", Some("4,5"), &seen).unwrap_err().message;
        assert!(
            told.contains("sees 2 GPU(s), and none by the address 7 (CUDA_VISIBLE_DEVICES=4,5)")
                && told.contains("set scoreDevice to \"cpu\""),
            "{told}"
        );
    }

    #[test]
    fn a_rehearsal_sees_what_cuda_would() {
        let count = |visible| rehearsed(visible).map(|found| found.gpus.len());
        assert_eq!(count(None), Ok(8));
        assert_eq!(count(Some("1")), Ok(1));
        assert_eq!(
            count(Some("1,9,2")),
            Ok(1),
            "nothing counts after what is not there"
        );
        assert!(count(Some("9")).unwrap_err().message.contains("nvidia-smi -L"));
        let text = rehearsed(Some("0")).unwrap().to_json();
        assert_eq!(text["cuda"], "13.0");
        assert_eq!(text["gpus"][0]["memory"], 1u64 << 40);
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_trainer_for_the_cpu_sees_none() {
        assert!(look().unwrap_err().message.contains("candlewick-cuda"));
    }
}
