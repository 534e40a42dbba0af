//! The end of a trainer process, told to the coordinator by the JVM that started it.

use crate::runtime;
use arrow_flight::Action;
use candlewick_coordinator::ExitReport;
use candlewick_protocol::Failure;
use candlewick_protocol::auth::COORDINATOR;
use candlewick_protocol::keys::Purpose;
use candlewick_protocol::launch::TrainerConfig;
use candlewick_wire::{Client, Identity, from_status};
use std::time::Duration;
use tonic::Request;

/// The coordinator waits about this long for the report before it tells the failure without it.
const LIMIT: Duration = Duration::from_secs(2);

/// Reports that the trainer started with the configuration `config` (JSON) ended with exit status `code`, 128 + n for
/// signal n.
///
/// # Errors
/// `Unavailable` where the coordinator is not there (any more), `InvalidParameter` for a wrong configuration.
pub fn exit(config: &str, code: i32, stderr: String) -> Result<(), Failure> {
    let config = TrainerConfig::read(config)?;
    let identity = Identity {
        job: config.job.clone(),
        client: format!("executor {} pid {}", config.executor, std::process::id()),
        server: COORDINATOR.to_owned(),
        key: config.keys.key(Purpose::Control)?.clone(),
        purpose: Purpose::Control,
    };
    let report = ExitReport {
        job: Some(config.job),
        trainer: config.trainer,
        executor: Some(config.executor),
        code: Some(code),
        signal: None,
        stderr,
    };
    let body = serde_json::to_vec(&report).map_err(|error| Failure::internal(error.to_string()))?;
    let call = async {
        let client = Client::connect(
            &config.coordinator_host,
            config.coordinator_port,
            &identity,
            LIMIT,
        )
        .await?;
        let request = client.authorize("DoAction", Request::new(Action::new("exited", body)));
        let answer = client.flight().do_action(request).await;
        answer.map_err(|status| from_status(&status, "reporting the end of a trainer"))
    };
    let answer = runtime::shared()?.block_on(async { tokio::time::timeout(LIMIT * 2, call).await });
    answer
        .map_err(|_| Failure::unavailable("the coordinator did not take the report of a trainer's end"))??;
    Ok(())
}
