//! What trainers exchange: what the parameters say of it, and whether that goes together.

use super::{CompleteJob, local, low_rank, precision, stale};
use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::{JobSpec, LaunchSpec};
use candlewick_protocol::params::Complete;

/// What `gradientCompression` says.
pub(super) fn compression(params: &Complete) -> Result<GradientCompression, Failure> {
    let text = params.value("gradientCompression").as_str().unwrap_or_default();
    GradientCompression::try_from(text.to_owned())
}

/// Refuses ways to exchange that have no meaning for the network, or not together.
pub(super) fn completed(
    network: Network,
    job: JobSpec,
    launch: LaunchSpec,
    summary: String,
) -> Result<CompleteJob, Failure> {
    low_rank::check(job.train.gradient_compression, &network)?;
    local::check(&job)?;
    stale::check(&job)?;
    precision::check(&job)?;
    Ok(CompleteJob {
        network,
        job,
        launch,
        summary,
    })
}
