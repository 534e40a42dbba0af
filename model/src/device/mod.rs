//! Where a network's layers are computed: by the engine on the CPU, or as far as candle can compute them on a device.
//!
//! A process has one device, chosen at its start ([`choose`]). A network is [`placed`] on it: its runs of layers that
//! candle can compute become segments, each one module for the engine, whose ends are values of the host; tables and
//! normalisations that lie beside them are modules by themselves; the others stay the engine's own. Losses, the tree of sums, optimisers and metrics stay on the host, so nothing else differs.
//!
//! Only builds with the feature `candle` or `cuda` know other devices than `cpu`.

pub mod driver;
#[cfg(any(test, feature = "candle"))]
mod lowering;
#[cfg(any(test, feature = "candle"))]
mod norm;
#[cfg(any(test, feature = "candle"))]
mod partition;
#[cfg(any(test, feature = "candle"))]
pub mod scoring;
#[cfg(any(test, feature = "candle"))]
mod segment;
#[cfg(any(test, feature = "candle"))]
mod subgraph;
#[cfg(any(test, feature = "candle"))]
mod table;
#[cfg(test)]
mod tests;

use crate::network::Network;
use candlewick_protocol::Failure;
use std::fmt;
use std::str::FromStr;
#[cfg(any(test, feature = "candle"))]
use {
    crate::resident::first_line,
    candle_core::Device,
    std::sync::{Mutex, PoisonError},
};

/// The name of a device: `cpu`, `candle` (candle's own functions on the CPU, for tests), or `cuda:0`.
///
/// ```
/// use candlewick_model::device::DeviceName;
/// assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
/// assert_eq!("cuda:1".parse::<DeviceName>()?.to_string(), "cuda:1");
/// assert!("gpu".parse::<DeviceName>().unwrap_err().message.contains("cpu, cuda:0"));
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceName {
    /// The engine on the CPU.
    Cpu,
    /// candle on the CPU: slower than the engine, the same code as on a GPU.
    Candle,
    /// An NVIDIA GPU, by its number.
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let number = match name {
            "cpu" => return Ok(DeviceName::Cpu),
            "candle" => return Ok(DeviceName::Candle),
            "cuda" => Some(0),
            name => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number.map(DeviceName::Cuda).ok_or_else(|| {
            Failure::parameter(format!(
                "the device {name:?} is not known: expected cpu, cuda:0, or another number of a GPU"
            ))
        })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Cpu => formatter.write_str("cpu"),
            DeviceName::Candle => formatter.write_str("candle"),
            DeviceName::Cuda(number) => write!(formatter, "cuda:{number}"),
        }
    }
}

/// The device of this process; none for the engine alone.
#[cfg(any(test, feature = "candle"))]
static CHOSEN: Mutex<Option<Device>> = Mutex::new(None);

/// Chooses the device of this process, on which networks are [`placed`] from now on.
///
/// # Errors
/// `InvalidParameter` where this build does not know the device, or this host does not have it.
pub fn choose(name: DeviceName) -> Result<(), Failure> {
    #[cfg(any(test, feature = "candle"))]
    {
        let device = open(name)?;
        *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = device;
        Ok(())
    }
    #[cfg(not(any(test, feature = "candle")))]
    match name {
        DeviceName::Cpu => Ok(()),
        other => Err(Failure::parameter(format!(
            "this is the trainer for the CPU, which cannot compute on {other}: start candlewick-trainer-gpu (the artifact \
             candlewick-cuda holds it, `make gpu` builds it), or choose the device cpu"
        ))),
    }
}

/// What this process computes on: `cpu`, `cuda`, or `candle` (tests).
#[must_use]
pub fn kind() -> &'static str {
    #[cfg(any(test, feature = "candle"))]
    if let Some(device) = &*CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) {
        return if device.is_cuda() { "cuda" } else { "candle" };
    }
    "cpu"
}

/// The network as this process computes it: the same parameters in the same places, its layers on the device that was
/// chosen.
///
/// # Errors
/// `Internal` where its documents cannot be read again.
pub fn placed(network: &Network) -> Result<Network, Failure> {
    #[cfg(any(test, feature = "candle"))]
    {
        let device = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(device) = device {
            return partition::place(network, &device);
        }
    }
    Ok(network.clone())
}

/// The network on a device of candle's, for tests of what is made of networks.
#[cfg(test)]
pub(crate) fn on(network: &Network, device: &Device) -> Result<Network, Failure> {
    partition::place(network, device)
}

/// The device of a name; none for the engine.
#[cfg(any(test, feature = "candle"))]
fn open(name: DeviceName) -> Result<Option<Device>, Failure> {
    let number = match name {
        DeviceName::Cpu => return Ok(None),
        DeviceName::Candle => return Ok(Some(Device::Cpu)),
        DeviceName::Cuda(number) => number,
    };
    if !cfg!(feature = "cuda") {
        return Err(Failure::parameter(format!(
            "this build cannot compute on cuda:{number}: it was made without the feature cuda; build \
             candlewick-trainer-gpu with `make gpu`"
        )));
    }
    match one_stream(number) {
        Ok(device) => Ok(Some(device)),
        Err(error) => Err(no_device(number, &first_line(&error))),
    }
}

/// A GPU whose work is all in one stream: kernels run in the order in which threads have handed them over, whichever thread it was.
/// The stream of `Device::new_cuda` is another one for every thread, and nothing orders those.
#[cfg(any(test, feature = "candle"))]
fn one_stream(number: usize) -> candle_core::Result<Device> {
    let device = Device::new_cuda_with_stream(number)?;
    #[cfg(feature = "cuda")]
    {
        let cuda = device.as_cuda_device()?;
        // SAFETY: tensors of this device are allocated, used and freed in its one stream, in the order in which they are handed over;
        // those of another device are not brought here but through the host. So there is no other stream to wait for.
        unsafe { cuda.disable_event_tracking() };
    }
    Ok(device)
}

#[cfg(any(test, feature = "candle"))]
fn no_device(number: usize, why: &str) -> Failure {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES");
    let visible = visible.map_or("CUDA_VISIBLE_DEVICES is not set".to_owned(), |value| {
        format!("CUDA_VISIBLE_DEVICES={value}")
    });
    Failure::parameter(format!(
        "the device cuda:{number} cannot be used: {why} ({visible}); `nvidia-smi` lists the GPUs of this host; choose one \
         of them by --device, or --device cpu"
    ))
}
