//! How a trainer of a gang is started: the line of JSON on its stdin and the line on its stdout that answers.
//!
//! The one home of these fields: the driver writes them, the executor's JVM adds the host, the trainer reads them, and
//! who reports the trainer's end reads them again.

use crate::error::Failure;
use crate::keys::KeyRing;
use serde::{Deserialize, Serialize};

/// Configuration of a trainer of a gang: one line of JSON, then stdin stays open until the trainer shall end.
///
/// A field of another name is an error: who writes the line spells the names, and one that has a default would be
/// missed by nobody. Writer and reader come in one jar.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainerConfig {
    /// Id of the job.
    pub job: String,
    /// Id of this process, never reused.
    pub trainer: String,
    /// Spark executor whose JVM is the parent.
    pub executor: String,
    /// Position among the trainers of that executor, from 0.
    #[serde(default)]
    pub index: u32,
    /// The job's keys: feed (it checks who feeds it), peer and control.
    pub keys: KeyRing,
    /// Where the coordinator listens.
    pub coordinator_host: String,
    /// Its port.
    pub coordinator_port: u16,
    /// Host both listeners are bound to, and by which others reach them.
    pub bind_host: String,
    /// `"0"` for any free port, or a range `"7000-7100"`.
    #[serde(default = "any_port")]
    pub port_range: String,
    /// Compute threads; 0 counts as 1.
    #[serde(default)]
    pub threads: usize,
    /// Processes that feed it at a time, each by one connection; 0: it is not known how many.
    #[serde(default)]
    pub feeders: u32,
    /// Bytes of a weights file (safetensors) that follow this line: what training starts from.
    #[serde(default)]
    pub initial_weights_bytes: Option<u64>,
    /// The memory it may use, and where rows go that do not fit.
    #[serde(default)]
    pub memory: TrainerMemory,
}

/// The memory of a trainer, and where rows go that do not fit it.
///
/// ```
/// use candlewick_protocol::launch::TrainerMemory;
/// let memory: TrainerMemory = serde_json::from_str(r#"{"limit": 1073741824, "spoolDirs": ["/data/1"]}"#).unwrap();
/// assert_eq!((memory.limit, memory.encrypt), (1 << 30, false));
/// assert_eq!(TrainerMemory::default().limit, 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrainerMemory {
    /// Bytes that this trainer may use in all; 0: as many as there are.
    pub limit: u64,
    /// Folders for rows that do not fit, used in turn; none: the folder for temporary files.
    pub spool_dirs: Vec<String>,
    /// Whether rows on disk are encrypted, as Spark does with its own where `spark.io.encryption.enabled`.
    pub encrypt: bool,
}

fn any_port() -> String {
    "0".to_owned()
}

impl TrainerConfig {
    /// Reads the line.
    ///
    /// # Errors
    /// `InvalidParameter`, which never repeats the line: it holds the job's keys.
    pub fn read(line: &str) -> Result<Self, Failure> {
        serde_json::from_str(line).map_err(|error| {
            let place = error.column();
            let what = if error.is_data() {
                error.to_string()
            } else {
                "it is not a JSON object".to_owned()
            };
            // serde quotes offending values; a key of the wrong type must not get into a log.
            let what = if what.contains("invalid type") {
                "a field is missing or has the wrong type".to_owned()
            } else {
                what
            };
            Failure::parameter(format!(
                "the trainer's configuration cannot be read (column {place}): {what}"
            ))
        })
    }
}

/// The line on stdout that says where the trainer listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listening {
    /// Process id.
    pub pid: u32,
    /// Port of the Flight server.
    pub flight_port: u16,
    /// Port of the collective listener.
    pub collective_port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_gets_into_a_message() {
        let key = "5a".repeat(32);
        for line in [
            format!(r#"{{"keys": {{"feed": "{key}""#),
            format!(r#"{{"keys": ["{key}"]}}"#),
            format!(r#"{{"keys": "{key}"}}"#),
            format!(r#"{{"keys": {{"feed": "{key}x"}}}}"#),
            format!(r#"{{"keys": {{"{key}": 1}}}}"#),
            format!(r#"{{"keys": {{"feed": "{key}"}}, "job": "j"}}"#),
            format!(r#""{key}""#),
            key.clone(),
        ] {
            let told = TrainerConfig::read(&line).unwrap_err().message;
            assert!(!told.contains("5a5a"), "{told}");
        }
    }

    #[test]
    fn defaults_are_any_port_and_index_zero() {
        let line = format!(
            r#"{{"job":"j","trainer":"t","executor":"1","keys":{{"peer":"{}"}},"coordinatorHost":"h","coordinatorPort":7,
            "bindHost":"127.0.0.1"}}"#,
            "00".repeat(32)
        );
        let config = TrainerConfig::read(&line).unwrap();
        assert_eq!(
            (config.port_range.as_str(), config.index, config.threads),
            ("0", 0, 0)
        );
        assert!(!format!("{config:?}").contains("0000"));
        let misspelt = line.replace("\"bindHost\"", "\"thread\":2,\"bindHost\"");
        let told = TrainerConfig::read(&misspelt).unwrap_err().message;
        assert!(told.contains("unknown field `thread`"), "{told}");
        assert_eq!(config.memory, TrainerMemory::default());
        let memory = r#""memory":{"limit":5,"spoolDirs":["/a"],"encrypt":true},"bindHost""#;
        let config = TrainerConfig::read(&line.replace("\"bindHost\"", memory)).unwrap();
        assert_eq!((config.memory.limit, config.memory.encrypt), (5, true));
        assert_eq!(config.memory.spool_dirs, ["/a"]);
    }
}
