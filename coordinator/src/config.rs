//! What the driver gives the coordinator at its start.

use candlewick_protocol::job::JobSpec;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Configuration of a coordinator, JSON with camelCase names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// Host to bind, the one Spark's block manager uses on the driver.
    pub bind_host: String,
    /// `"0"` for any port, `"7000"`, or a range `"7000-7100"`.
    #[serde(default = "any_port")]
    pub port: String,
    /// The job, complete.
    pub job: JobSpec,
    /// How long the report about a trainer's end (exit status, stderr) or the end of a suspected trainer is waited
    /// for before the failure is reported, milliseconds.
    #[serde(default = "executor_grace")]
    pub executor_grace_ms: u64,
    /// The job ends where the driver does not tick for so long, milliseconds.
    #[serde(default = "driver_timeout")]
    pub driver_timeout_ms: u64,
}

fn any_port() -> String {
    "0".to_owned()
}

fn executor_grace() -> u64 {
    2_000
}

fn driver_timeout() -> u64 {
    120_000
}

/// The timeouts of the state machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) grace: Duration,
    pub(crate) driver: Duration,
    pub(crate) failure: Duration,
    pub(crate) progress: Duration,
}

impl CoordinatorConfig {
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            grace: Duration::from_millis(self.executor_grace_ms),
            driver: Duration::from_millis(self.driver_timeout_ms),
            failure: Duration::from_millis(self.job.failure_timeout_ms),
            progress: Duration::from_millis(self.job.progress_timeout_ms),
        }
    }
}
