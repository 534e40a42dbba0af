//! Commands of the driver and reports of the executors, and the events they cause.

use candlewick_protocol::Failure;
use candlewick_protocol::compression::CompressionUse;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::exchange::ExchangeUse;
use candlewick_protocol::feed::{Ledger, Owner, TaskLedger};
use candlewick_protocol::message::{
    EpochRecord, PaceRecord, Progress, RecoveryRecord, RescaleRecord, TrainerInfo, TrainerMemoryUse,
};
use candlewick_protocol::shuffle::Homes;
use candlewick_protocol::stopping::StoppingReport;
use serde::{Deserialize, Serialize};

/// A command of the driver: `{"cmd": "tick"}` and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// The driver lives. Every other command says so too.
    Tick,
    /// Who has registered; answer `{"trainers": [TrainerInfo..]}`.
    Registered,
    /// Fixes the members and opens feed round 0; answer `{"round": 0, "owners": [Owner..]}`.
    Members {
        /// Ids of registered trainers.
        trainers: Vec<String>,
    },
    /// The feed's Spark job is over; `sealed`, `needFeed` or `failed` follows as an event, in a recovery nothing.
    Seal {
        /// Feed round.
        round: u32,
        /// One ledger per partition: the winning attempts, or some of them.
        ledgers: Vec<TaskLedger>,
        /// Others follow in another of these, and nothing is sealed yet: a million partitions are no single message.
        #[serde(default)]
        more: bool,
    },
    /// Begin training; `epoch`, then `done` or `failed` follow as events.
    Train {
        /// Where the state stands that was given to go on from; null: from the beginning.
        #[serde(default)]
        resume: Option<ProgramCounter>,
        /// How far it may go, where the driver decides at the end of each epoch whether training goes on; null: to its end.
        #[serde(default)]
        until: Option<Limit>,
    },
    /// The driver's decision at the end of an epoch.
    Until(Limit),
    /// Trainers are being started while the fit runs: they are taken in where they register.
    Expect {
        /// Their ids.
        trainers: Vec<String>,
    },
    /// Spark takes an executor away before long.
    Decommission {
        /// Id of the executor.
        executor: String,
        /// Spark's reason.
        reason: String,
    },
    /// Spark removed an executor.
    ExecutorLost {
        /// Id of the executor.
        executor: String,
        /// Spark's reason.
        reason: String,
    },
    /// A trainer process ended, as the JVM that started it saw.
    Exited(ExitReport),
    /// The user or Spark cancelled the fit.
    Cancel {
        /// Who or what cancelled.
        reason: String,
    },
    /// The weights are taken: trainers may end.
    Finish,
}

/// How far training may go: no trainer begins an epoch beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Epochs that may be made.
    pub epochs: u32,
    /// Training ends after them.
    pub over: bool,
}

/// How a trainer process ended, from the JVM that was its parent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitReport {
    /// Id of the job; a report for another job is refused.
    #[serde(default)]
    pub job: Option<String>,
    /// Id of the trainer.
    pub trainer: String,
    /// Executor whose JVM reports.
    #[serde(default)]
    pub executor: Option<String>,
    /// Exit status as the JVM gives it: 128 + n where signal n ended the process.
    #[serde(default)]
    pub code: Option<i32>,
    /// The signal, where the reporter knows it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Last lines of the process's stderr.
    #[serde(default)]
    pub stderr: String,
}

impl ExitReport {
    /// The signal that ended the process, given or read from the exit status.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.signal.or(self
            .code
            .filter(|code| (129..=192).contains(code))
            .map(|code| code - 128))
    }

    /// True where the process ended in order, or was told to end from outside while nothing depended on it.
    pub(crate) fn is_harmless(&self) -> bool {
        const SIGTERM: i32 = 15;
        self.code == Some(0) || self.signal() == Some(SIGTERM)
    }

    /// True where nothing is wrong with the trainer itself: it ended in order, or somebody ended it.
    pub(crate) fn is_from_outside(&self) -> bool {
        const SIGKILL: i32 = 9;
        self.is_harmless() || self.signal() == Some(SIGKILL)
    }

    /// "killed by signal 9 (SIGKILL); last lines of its stderr: ...".
    #[must_use]
    pub fn describe(&self) -> String {
        self.describe_with(0)
    }

    /// The same, with the memory that the process had in use at its last beat (0: not known), where it may have been killed
    /// for that.
    pub(crate) fn describe_with(&self, resident_bytes: u64) -> String {
        let memory = match (self.signal(), resident_bytes >> 20) {
            (_, 0) => String::new(),
            (Some(9), mib) => format!(", with {mib} MiB of memory in use at its last beat"),
            _ => String::new(),
        };
        let how = match (self.signal(), self.code) {
            (Some(signal), _) => format!("killed by signal {signal}{}{memory}", signal_name(signal)),
            (None, Some(code)) => format!("exit status {code}"),
            (None, None) => "exit status unknown".to_owned(),
        };
        let tail = tail(&self.stderr);
        if tail.is_empty() {
            how
        } else {
            format!("{how}; last lines of its stderr:\n{tail}")
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}

/// The last 20 lines, at most 4 KiB of them: a failure's message is read by a person.
fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.trim_end().lines().collect();
    let text = lines[lines.len().saturating_sub(20)..].join("\n");
    let mut from = text.len().saturating_sub(4096);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

/// What the driver polls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A trainer has registered.
    Registered {
        /// Who and where.
        trainer: TrainerInfo,
    },
    /// A registered trainer is lost. Before the members are fixed it must be replaced; later the others go on without it.
    Lost {
        /// Id of the trainer.
        trainer: String,
        /// Who it was and how it ended.
        why: String,
    },
    /// A trainer is no longer there and is not missed: it handed over what it held, or was no member.
    Left {
        /// Id of the trainer.
        trainer: String,
        /// Who it was and why it left.
        why: String,
    },
    /// Shards are to be fed, again or for the first time: run the feed over all partitions for these owners, then `seal`.
    NeedFeed {
        /// Feed round.
        round: u32,
        /// Who takes what.
        owners: Vec<Owner>,
        /// Where partitions went in the first round, where they have to go there again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        homes: Option<Homes>,
    },
    /// All shards are sealed for the first time, and the ledger balances.
    Sealed {
        /// The job's ledger.
        ledger: Ledger,
    },
    /// A trainer's progress; may be left out where the queue is full.
    Progress {
        /// Id of the trainer.
        trainer: String,
        /// Where it is.
        progress: Progress,
    },
    /// An epoch is over.
    Epoch {
        /// Its record.
        record: EpochRecord,
    },
    /// A state of the training is here, to be taken; the next one replaces it.
    Snapshot {
        /// Where it stands.
        counter: ProgramCounter,
        /// True where training is over.
        last: bool,
        /// Size of the file.
        bytes: u64,
    },
    /// A generation replaced another, and training goes on.
    Recovered {
        /// How it went.
        record: RecoveryRecord,
    },
    /// A generation with other members, by plan, and training goes on.
    Rescaled {
        /// How it went.
        record: RescaleRecord,
    },
    /// How long each trainer worked and waited in an epoch; may be left out where the queue is full. A trainer alone waits for
    /// nobody.
    Pace {
        /// All of them.
        record: PaceRecord,
    },
    /// Training is over and the weights are here.
    Done {
        /// weightsHash of the model.
        weights_hash: String,
        /// Steps made.
        steps: u64,
        /// How early stopping went, where it was asked for.
        stopping: Option<StoppingReport>,
        /// What rows of each class weighed in the loss, where `classWeight` said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class_weights: Option<Vec<f64>>,
        /// What memory each trainer needed.
        #[serde(default)]
        memory: Vec<TrainerMemoryUse>,
        /// What compressed gradients took, where they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compression: Option<CompressionUse>,
        /// How the first trainer exchanged gradients; nothing where it was alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exchange: Option<ExchangeUse>,
    },
    /// The job failed; sent once.
    Failed {
        /// The first cause in causal order.
        failure: Failure,
    },
    /// The job cannot move on for want of something that trainers must say; told every 10 s. May be left out where the queue
    /// is full.
    Waiting {
        /// What, and from whom.
        what: String,
        /// For how long so far.
        seconds: f64,
    },
    /// A trainer has logged a warning or an error; may be left out where the queue is full.
    TrainerLog {
        /// "trainer 1 (hostB, executor 3, pid 4711)".
        trainer: String,
        /// True for an error.
        error: bool,
        /// What it logged.
        line: String,
    },
    /// Something worth a line in the log; may be left out where the queue is full.
    Log {
        /// The line.
        message: String,
    },
}

impl Event {
    /// True for events that may be left out where nobody polls.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(
            self,
            Event::Progress { .. }
                | Event::Pace { .. }
                | Event::Waiting { .. }
                | Event::TrainerLog { .. }
                | Event::Log { .. }
        )
    }

    /// True for the last event of a job.
    pub(crate) fn ends_the_job(&self) -> bool {
        matches!(self, Event::Failed { .. } | Event::Done { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_the_documented_json() {
        let exited: Command =
            serde_json::from_str(r#"{"cmd":"exited","trainer":"t","code":137,"stderr":"a\nb\n"}"#).unwrap();
        let Command::Exited(report) = exited else {
            panic!("{exited:?}")
        };
        assert_eq!(
            report.describe(),
            "killed by signal 9 (SIGKILL); last lines of its stderr:\na\nb"
        );
        assert_eq!(
            serde_json::to_string(&Command::Tick).unwrap(),
            r#"{"cmd":"tick"}"#
        );
        let lost = Command::ExecutorLost {
            executor: "2".into(),
            reason: "x".into(),
        };
        assert_eq!(
            serde_json::to_string(&lost).unwrap(),
            r#"{"cmd":"executorLost","executor":"2","reason":"x"}"#
        );
    }

    #[test]
    fn what_may_have_been_killed_for_its_memory_says_how_much_it_had() {
        let report = |code| ExitReport {
            code: Some(code),
            stderr: "x".into(),
            ..ExitReport::default()
        };
        assert_eq!(
            report(137).describe_with(3 << 29),
            "killed by signal 9 (SIGKILL), with 1536 MiB of memory in use at its last beat; last lines of its stderr:\nx"
        );
        assert_eq!(report(137).describe_with(0), report(137).describe());
        assert_eq!(report(134).describe_with(3 << 29), report(134).describe());
    }

    #[test]
    fn a_long_stderr_is_cut_to_its_end() {
        let text: String = (0..100)
            .map(|line| format!("line {line} é{}\n", "x".repeat(300)))
            .collect();
        let report = ExitReport {
            code: Some(1),
            stderr: text,
            ..ExitReport::default()
        };
        let told = report.describe();
        assert!(told.starts_with("exit status 1; last lines"), "{told}");
        assert!(told.len() < 4200 && told.contains("line 99") && !told.contains("line 70"));
    }
}
