//! The specification of one training job: what the driver resolves and every trainer receives.

use crate::asynchrony::Asynchrony;
use crate::class_weight::ClassWeight;
use crate::compression::GradientCompression;
use crate::counter::ProgramCounter;
use crate::dealing::Dealing;
use crate::features::FeatureEncoding;
use crate::local_steps::LocalSteps;
use crate::shuffle::DataShuffle;
use crate::stopping::EarlyStopping;
use crate::validation::{FedShard, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub use crate::precision::Precision;

/// What the labels mean, decided by the estimator and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LabelKind {
    /// Class indices 0..num_classes; the row carries one f64.
    Class {
        /// Number of classes.
        num_classes: u32,
        /// A label beside the classes that is legal too: its rows count neither in the loss nor in metrics
        /// (`ignore_index` of the loss).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ignored: Option<i64>,
    },
    /// Real targets; the row carries `width` f64.
    Real {
        /// Number of values in a label.
        width: u32,
    },
    /// The values of several columns one after another, of which some are classes: what a NeuralEstimator has for the
    /// terms of its loss. The row carries `width` f64.
    Targets {
        /// Number of values in a label.
        width: u32,
        /// What outputs of the network are compared with.
        targets: Vec<Target>,
    },
}

/// Values of a label that outputs of the network predict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Where in the label: the first value, and one past the last.
    pub labels: [u32; 2],
    /// Where in the outputs of a row: the first, and one past the last.
    pub outputs: [u32; 2],
    /// Number of classes, where the value is a class; none where the outputs predict the values themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_classes: Option<u32>,
}

impl Target {
    /// Number of classes of value `at` of the label, where this says that it is one.
    fn classes_at(&self, at: usize) -> Option<u32> {
        let [first, end] = self.labels.map(|place| place as usize);
        self.num_classes.filter(|_| (first..end).contains(&at))
    }
}

impl LabelKind {
    /// Classes `0..num_classes` and nothing else.
    #[must_use]
    pub const fn class(num_classes: u32) -> Self {
        LabelKind::Class {
            num_classes,
            ignored: None,
        }
    }

    /// True for the label of rows that do not count.
    ///
    /// ```
    /// use candlewick_protocol::job::LabelKind;
    /// let kind = LabelKind::Class { num_classes: 2, ignored: Some(-1) };
    /// assert!(kind.ignores(-1.0) && !kind.ignores(1.0));
    /// ```
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "labels are small whole numbers")]
    pub fn ignores(&self, label: f64) -> bool {
        match *self {
            LabelKind::Class { ignored, .. } => ignored.is_some_and(|ignored| ignored as f64 == label),
            LabelKind::Real { .. } | LabelKind::Targets { .. } => false,
        }
    }

    /// Number of classes of value `at` of a label, where it is a class. Where several losses read it, it has to be one of
    /// each.
    ///
    /// ```
    /// use candlewick_protocol::job::LabelKind;
    /// assert_eq!(LabelKind::class(3).classes_at(0), Some(3));
    /// assert_eq!(LabelKind::Real { width: 2 }.classes_at(0), None);
    /// ```
    #[must_use]
    pub fn classes_at(&self, at: usize) -> Option<u32> {
        match self {
            LabelKind::Class { num_classes, .. } => Some(*num_classes),
            LabelKind::Real { .. } => None,
            LabelKind::Targets { targets, .. } => {
                targets.iter().filter_map(|target| target.classes_at(at)).min()
            }
        }
    }

    /// True where value `at` of a label may be this one: a class or the ignored label, else any finite number.
    ///
    /// ```
    /// use candlewick_protocol::job::LabelKind;
    /// assert!(LabelKind::class(3).accepts(0, 2.0) && !LabelKind::class(3).accepts(0, 3.0));
    /// assert!(!LabelKind::class(3).accepts(0, 0.5) && !LabelKind::class(3).accepts(0, f64::NAN));
    /// assert!(LabelKind::Real { width: 2 }.accepts(1, -0.5));
    /// ```
    #[must_use]
    pub fn accepts(&self, at: usize, value: f64) -> bool {
        match self.classes_at(at) {
            Some(classes) => {
                let class = value.fract() == 0.0 && value >= 0.0 && value < f64::from(classes);
                class || self.ignores(value)
            }
            None => value.is_finite(),
        }
    }

    /// Number of f64 values a row's label takes.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            LabelKind::Class { .. } => 1,
            LabelKind::Real { width } | LabelKind::Targets { width, .. } => *width as usize,
        }
    }
}

/// Shape of the rows once decoded: `features` f32 values, the label, and a weight (1.0 where no column gives it).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSpec {
    /// f32 values in a row's features.
    pub feature_width: u32,
    /// Shape that views the features as a tensor, without the batch dimension.
    pub input_shape: Vec<usize>,
    /// What the label means.
    pub label: LabelKind,
    /// Which rows are put aside for validation, if any.
    #[serde(default)]
    pub validation: Option<Validation>,
    /// Which shards rows go to.
    #[serde(default, skip_serializing_if = "DataShuffle::is_hash")]
    pub data_shuffle: DataShuffle,
    /// The type that features are sent and held in. It changes what rows take, and no bit of what is trained.
    #[serde(default, skip_serializing_if = "FeatureEncoding::is_default")]
    pub feature_encoding: FeatureEncoding,
    /// Rows of the job at most, where the driver knows that before they are fed. Estimates of memory ask for it, and nothing that is
    /// trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// What is measured while training, and what follows from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Evaluation {
    /// Names of metrics, beside the loss.
    pub metrics: Vec<String>,
    /// Thresholds of the predictions that metrics judge, one per class.
    pub thresholds: Option<Vec<f64>>,
    /// Steps between evaluations within an epoch; 0 = at its end only.
    pub validation_steps: u32,
    /// When training ends before its last epoch.
    pub early_stopping: Option<EarlyStopping>,
}

/// What happens where the loss or the gradient of a step is NaN or infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnNonFinite {
    /// Training fails.
    #[default]
    Error,
    /// The step updates nothing and is counted.
    Skip,
}

/// What is trained and how. The documents `network`, `loss` and `optimizer` are those that the builders write and
/// that `candlewick-model` validates; here they are complete (defaults filled in, sizes inferred).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainSpec {
    /// Network document, format `candlewick.network/1`.
    pub network: Value,
    /// Loss document: `{"type": "CrossEntropyLoss", ...}`.
    pub loss: Value,
    /// Optimiser document: `{"type": "AdamW", "lr": 0.001, ...}`.
    pub optimizer: Value,
    /// Document of the learning rate's schedule, if set: `{"type": "StepLR", "step_size": 30, ...}`.
    #[serde(default)]
    pub lr_scheduler: Option<Value>,
    /// Steps whose gradients make one update; 0 counts as 1.
    #[serde(default)]
    pub gradient_accumulation_steps: u32,
    /// Decay of the moving average of the weights that becomes the model, if set.
    #[serde(default)]
    pub ema_decay: Option<f64>,
    /// What happens where a step is not finite.
    #[serde(default)]
    pub on_non_finite: OnNonFinite,
    /// Passes over the data; 0 gives a model with its initial weights.
    pub epochs: u32,
    /// Rows of one step over all trainers, exact but for the last of an epoch.
    pub batch_size: u32,
    /// Leave out the last, shorter step of an epoch.
    pub drop_last: bool,
    /// Seed of initial weights, order and dropout.
    pub seed: u64,
    /// V: the number of logical shards.
    pub logical_shards: u32,
    /// Largest global gradient norm (torch.nn.utils.clip_grad_norm_), if set.
    pub clip_norm: Option<f64>,
    /// Largest absolute gradient value (torch.nn.utils.clip_grad_value_), if set.
    pub clip_value: Option<f64>,
    /// What products of the network are computed in.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// Whether products of f32 on a GPU may be of TF32.
    #[serde(rename = "allowTF32", default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_tf32: bool,
    /// What gradients become before trainers exchange them.
    #[serde(default, skip_serializing_if = "GradientCompression::is_none")]
    pub gradient_compression: GradientCompression,
    /// When gradients are applied.
    #[serde(default, skip_serializing_if = "Asynchrony::is_none")]
    pub asynchrony: Asynchrony,
    /// Whether the order in which gradients are added up may follow from the trainers (`deterministicReduction` is false).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_order: bool,
    /// Steps that logical shards make by themselves, where they make several before they meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_steps: Option<LocalSteps>,
    /// What is measured while training, and what follows from it.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// What rows of a class weigh in the loss, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
}

impl TrainSpec {
    /// Whether trainers have weights of their own between points on which all agree: where shards make steps by themselves, or
    /// updates come when they come. Such weights stay on the host, and gradients are not sent.
    #[must_use]
    pub fn has_own_weights(&self) -> bool {
        self.local_steps.is_some() || self.asynchrony.staleness().is_some()
    }
}

/// Which estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskName {
    /// NeuralClassifier.
    Classifier,
    /// NeuralRegressor.
    Regressor,
    /// NeuralEstimator.
    Estimator,
}

/// A label column of a NeuralEstimator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelColumn {
    /// Name.
    pub name: String,
    /// Values in it.
    pub width: u32,
}

/// What a job is made of: what the user set, and what the columns tell.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobInput {
    /// Id of the job: 32 hexadecimal digits.
    pub job: String,
    /// What the user set; the rest gets its defaults.
    pub params: Map<String, Value>,
    /// Defaults of a stage that another version saved; what is in neither gets the default of this version.
    #[serde(default)]
    pub defaults: Map<String, Value>,
    /// Which estimator.
    pub task: TaskName,
    /// f32 values of a row's features; absent where the columns do not tell (binary), then inputShape does.
    #[serde(default)]
    pub feature_width: Option<i64>,
    /// Types of the feature columns, as [`crate::feed::Column`] has them.
    #[serde(default)]
    pub feature_types: Vec<String>,
    /// Values of a row's features that are not zero, in the rows that were looked at for it.
    #[serde(default)]
    pub nonzeros: Option<u64>,
    /// Shape of a row's features where the column has one (nested arrays); a shape that the user set goes before it.
    #[serde(default)]
    pub feature_shape: Option<Vec<usize>>,
    /// Values of a regressor's label, 1 if absent.
    #[serde(default)]
    pub label_width: Option<i64>,
    /// The label columns of a NeuralEstimator, whose values stand one after another in the label. Where there are none,
    /// the label is one value that nothing reads.
    #[serde(default)]
    pub labels: Vec<LabelColumn>,
    /// Trainers that will really run; the parameter numTrainers if absent.
    #[serde(default)]
    pub num_trainers: Option<u32>,
    /// Where trainers will really compute. Absent while that is not known: the job is one for processors then, and nothing is
    /// refused that they do not compute ([`LaunchSpec::device_refusals`]).
    #[serde(default)]
    pub device: Option<DeviceKind>,
}

/// What computes: all trainers of a job the same.
///
/// ```
/// use candlewick_protocol::job::DeviceKind;
/// assert_eq!(serde_json::from_str::<DeviceKind>("\"cuda\"")?, DeviceKind::Cuda);
/// assert_eq!(DeviceKind::default(), DeviceKind::Cpu);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Processors.
    #[default]
    Cpu,
    /// NVIDIA GPUs.
    Cuda,
}

/// How the driver runs a job: units are milliseconds and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchSpec {
    /// What the user asked for: "auto", "cpu" or "cuda".
    pub device: String,
    /// The kinds of devices that do not compute what is asked for, each with why and what to change.
    pub device_refusals: BTreeMap<String, String>,
    /// The logical shards are as many as trainers will have been found: not set, on GPUs, with numTrainers = 0.
    pub shards_follow_trainers: bool,
    /// Trainers; 0: one for each executor, or for each GPU.
    pub num_trainers: u32,
    /// Fewest trainers to begin with, where not all are to be had; 0: all are waited for.
    pub min_trainers: u32,
    /// Trainers that the fit grows to as executors come; 0: as many as it began with.
    pub max_trainers: u32,
    /// Compute threads of a trainer; 0: the executor's cores divided by its trainers.
    pub threads_per_trainer: u32,
    /// Longest wait for all trainers to start.
    pub launch_timeout_ms: u64,
    /// Trainers that may be lost while trainers start, as many as losses that training goes on after.
    pub max_recoveries: u32,
    /// Memory of an executor for rows on their way to the trainers.
    pub feed_memory_bytes: u64,
    /// Memory of a trainer; 0: what its executor has for it.
    pub trainer_memory_bytes: u64,
    /// Folders on the executors for rows that do not fit; none: those of Spark.
    pub spool_dirs: Vec<String>,
    /// Whether connections are encrypted: "auto", as Spark's are, "none" or "tls".
    pub transport_security: String,
    /// Initial weights have to be exactly the network's.
    pub strict_weights: bool,
    /// What the driver shows: "auto", "true" or "false".
    pub verbose: String,
    /// Where checkpoints are written and looked for, if anywhere.
    pub checkpoint: Option<CheckpointSpec>,
    /// The model keeps the state that the training ends with.
    pub save_optimizer: bool,
    /// Where states of the training are kept or gone on from: everything of the job that their bits depend on, beside the
    /// rows and the initial weights. A state is one of this job where all of that is equal (rule C5).
    pub identity: Option<Value>,
}

/// What the driver does with checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointSpec {
    /// Folder on a Hadoop filesystem.
    pub dir: String,
    /// The newest checkpoints that are kept.
    pub keep: u32,
}

/// When the state of a training run is sent to the driver; 0: never by that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSpec {
    /// Epochs from one to the next, at their ends.
    pub epochs: u32,
    /// Steps from one to the next.
    pub steps: u32,
}

impl SnapshotSpec {
    /// Whether the state is sent where a run stands whose epochs have so many steps, before its next step or at its end
    /// (`over`), which always counts. It follows from the counter alone, so that all trainers know it.
    ///
    /// ```
    /// use candlewick_protocol::{counter::ProgramCounter, job::SnapshotSpec};
    /// let spec = SnapshotSpec { epochs: 2, steps: 15 };
    /// let due = |epoch, step, over| {
    ///     spec.is_due(ProgramCounter { epoch, step, ..ProgramCounter::default() }, 10, over)
    /// };
    /// assert!(!due(0, 0, false) && !due(1, 10, false) && due(1, 15, false) && due(2, 20, false));
    /// assert!(due(3, 30, true) && !due(0, 0, true));
    /// let steps = SnapshotSpec { epochs: 0, steps: 15 };
    /// assert!(steps.is_due(ProgramCounter { epoch: 2, step: 20, ..ProgramCounter::default() }, 10, true));
    /// assert!(!SnapshotSpec::default().is_due(ProgramCounter::default(), 10, true));
    /// ```
    #[must_use]
    pub fn is_due(&self, counter: ProgramCounter, steps_per_epoch: u64, over: bool) -> bool {
        let ProgramCounter { epoch, step, .. } = counter;
        let closed = step == u64::from(epoch) * steps_per_epoch;
        let by_epoch = self.epochs > 0 && (over || closed && epoch.is_multiple_of(self.epochs));
        let by_step = self.steps > 0 && (over || step.is_multiple_of(u64::from(self.steps)));
        step > 0 && (by_epoch || by_step)
    }
}

fn at_least_one() -> u32 {
    1
}

fn executor_timeout() -> u64 {
    300_000
}

/// The whole job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// Id of the job: 32 hexadecimal digits.
    pub job: String,
    /// Shape of the rows.
    pub data: DataSpec,
    /// What is trained and how.
    pub train: TrainSpec,
    /// Silence after which a trainer counts as lost, milliseconds.
    pub failure_timeout_ms: u64,
    /// Time without a step after which a trainer counts as stuck, milliseconds.
    pub progress_timeout_ms: u64,
    /// Recoveries after which the next loss fails the job.
    pub max_recoveries: u32,
    /// Training goes on with at least so many trainers.
    #[serde(default = "at_least_one")]
    pub min_trainers: u32,
    /// Longest wait for others where there are fewer, milliseconds.
    #[serde(default = "executor_timeout")]
    pub executor_timeout_ms: u64,
    /// Members that keep each shard: its owner and, with 2, another one (rule A5).
    #[serde(default = "at_least_one")]
    pub data_replicas: u32,
    /// When the state is sent to the driver.
    #[serde(default)]
    pub snapshots: SnapshotSpec,
}

impl JobSpec {
    /// Shards that the feed deals rows to: V, and V more where rows are put aside for validation.
    #[must_use]
    pub fn fed_shards(&self) -> u32 {
        FedShard::count(self.train.logical_shards, self.data.validation.is_some())
    }

    /// Which of the job's rows are dealt, of so many: none where rows stay where they are read.
    #[must_use]
    pub fn dealing(&self, rows: u64) -> Dealing {
        match self.data.data_shuffle {
            DataShuffle::Hash => Dealing::of(rows, self.train.logical_shards),
            DataShuffle::None => Dealing::of_none(self.train.logical_shards),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_label_are_checked_by_what_reads_them() {
        let target = |labels, num_classes| Target {
            labels,
            outputs: [0, 9],
            num_classes,
        };
        let label = LabelKind::Targets {
            width: 3,
            targets: vec![
                target([1, 2], Some(5)),
                target([1, 2], Some(4)),
                target([0, 2], None),
            ],
        };
        assert_eq!(label.width(), 3);
        assert_eq!([0, 1, 2].map(|at| label.classes_at(at)), [None, Some(4), None]);
        assert!(label.accepts(0, -0.5) && label.accepts(1, 3.0) && label.accepts(2, 7.0));
        assert!(!label.accepts(1, 4.0) && !label.accepts(1, 0.5) && !label.accepts(2, f64::INFINITY));
        let text = serde_json::to_value(&label).unwrap();
        assert_eq!(text["targets"][0]["numClasses"], 5);
        assert_eq!(serde_json::from_value::<LabelKind>(text).unwrap(), label);
    }
}
