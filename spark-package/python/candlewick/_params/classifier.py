# Written by candlewick-codegen (`make generate`); do not edit.
"""The constructor of the classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from candlewick._callbacks import CallbackLike
from candlewick._class_weight import ClassWeightLike
from candlewick._document import LossLike, NetworkLike, OptimizerLike, SchedulerLike, StoppingLike
from candlewick._legal import keywords
from candlewick._params import NeuralClassifierEstimatorParams, NeuralEstimatorParams
from candlewick._weights import WeightsLike

if TYPE_CHECKING:
    from typing_extensions import Self


class NeuralClassifierBase(NeuralClassifierEstimatorParams, NeuralEstimatorParams):
    """Trains a neural network that tells classes apart."""

    _input_kwargs: dict[str, Any]

    if TYPE_CHECKING:

        def _attach(self, given: dict[str, Any]) -> None:
            """Makes the companion in the JVM and sets what the constructor was given."""

    @keywords
    def __init__(
        self,
        *,
        featuresCol: str = "features",
        featuresCols: Sequence[str] | None = None,
        labelCol: str = "label",
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        predictionCol: str = "prediction",
        probabilityCol: str = "probability",
        rawPredictionCol: str = "rawPrediction",
        thresholds: Sequence[float] | None = None,
        handleInvalid: str = "error",
        outputCols: Mapping[str, str] | None = None,
        scorePrecision: str = "f32",
        scoreDevice: str = "cpu",
        inputShape: Sequence[int] | None = None,
        scale: float | None = None,
        network: NetworkLike | None = None,
        initialWeights: WeightsLike | None = None,
        initialModel: Any = None,
        strictWeights: bool = True,
        loss: LossLike | None = None,
        epochs: int = 10,
        batchSize: int = 256,
        optimizer: OptimizerLike = '{"type": "AdamW", "lr": 0.001}',
        learningRate: float | None = None,
        lrScheduler: SchedulerLike | None = None,
        gradientAccumulationSteps: int = 1,
        clipNorm: float | None = None,
        clipValue: float | None = None,
        classWeight: ClassWeightLike | None = None,
        dropLast: bool = False,
        emaDecay: float | None = None,
        onNonFinite: str = "error",
        metrics: Sequence[str] | None = None,
        validationFraction: float = 0.0,
        validationSteps: int = 0,
        earlyStopping: StoppingLike | None = None,
        seed: int = 0,
        precision: str = "f32",
        allowTF32: bool = False,
        verbose: str | bool = "auto",
        numTrainers: int = 0,
        minTrainers: int | None = None,
        maxTrainers: int | None = None,
        executorTimeout: str | float = "300s",
        threadsPerTrainer: int = 0,
        device: str = "auto",
        logicalShards: int = 8,
        dataShuffle: str = "hash",
        maxRecoveries: int = 3,
        dataReplicas: int = 1,
        failureTimeout: str | float = "15s",
        progressTimeout: str | float = "600s",
        launchTimeout: str | float = "300s",
        transportSecurity: str = "auto",
        feedMemory: str = "64m",
        trainerMemory: str | None = None,
        spoolDir: str | None = None,
        gradientCompression: str = "none",
        localSteps: int = 1,
        outerLearningRate: float = 0.7,
        outerMomentum: float = 0.9,
        asynchrony: str = "none",
        staleness: int = 4,
        deterministicReduction: bool = True,
        checkpointDir: str | None = None,
        checkpointInterval: int = 1,
        checkpointSteps: int | None = None,
        keepCheckpoints: int = 2,
        saveOptimizer: bool = False,
        resumeOptimizer: bool = False,
        callbacks: Sequence[CallbackLike] | None = None,
    ) -> None:
        """Trains a neural network that tells classes apart.

        Args:
            featuresCol: Column of the features: a Vector (dense or sparse), an array of any numeric type or
                of such arrays (a tensor), one numeric column, or binary (see inputShape and scale). (text)
            featuresCols: Columns whose values are put one after another to form the features, instead of
                featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a
                graph: the columns named as its inputs. (list of at least one text)
            labelCol: Column of the label, for fit and for a model's evaluate: any numeric type. A
                classifier expects whole numbers from 0; a regressor also takes an array or a Vector
                (several outputs; those of a graph one after another), and so does a NeuralEstimator, where
                an empty text stands for none: its loss reads no label. (text)
            weightCol: Column of the row's weight in the loss and in a model's evaluate: numeric, finite,
                not negative. Not set: every row weighs 1. (text)
            validationIndicatorCol: Boolean column that is true for the rows to validate on: they never
                train. Not set: see validationFraction. (text)
            predictionCol: Column that transform appends: the class of a classifier, the value (or Vector of
                values) of a regressor. A regressor whose network is a graph of several outputs also appends
                a column for each, such as prediction_price; a NeuralEstimator appends these alone: the
                class of an output whose loss tells classes apart, else its value or values. (text)
            probabilityCol: Column that transform appends: the Vector of class probabilities. Empty text:
                not appended. (text)
            rawPredictionCol: Column that transform appends: the Vector of the network's outputs (logits),
                of two less their mean. Empty text: not appended. (text)
            thresholds: One number per class: the class with the largest probability / threshold is
                predicted, as in Spark ML. (list of at least one number, each of at least 0, at most one of
                them 0)
            handleInvalid: What to do with a row that holds null, NaN, infinity, a vector of another length
                or an index outside of the table of an embedding: "error" fails with the row named, "skip"
                leaves it out and counts it, "keep", which is for transform only, gives null in the columns
                that the model appends. ("error" or "skip" or "keep")
            outputCols: More columns that transform appends: what layers put out, as Vectors. Names of
                layers ("0" is the first of a chain, "2.0" the first within the third; of a graph the names
                of its nodes), each with the name of its column. With a NeuralEstimator they are all that it
                appends, and names may also be those of outputs, alone or with what is asked of a class:
                "digit", "digit.probability", "digit.rawPrediction"; of a network with one output
                "prediction", "probability" and "rawPrediction". (an object of at least one name with a
                text, such as {"embed": "embedding"})
            scorePrecision: What products of matrices round their operands to when a model scores: "f32",
                "bf16", or "bf16_amx" for Intel's AMX (GPUs take that for bf16), as precision does while
                training. A model that was trained in bf16 scores in f32 too unless this says otherwise.
                ("f32" or "bf16" or "bf16_amx")
            scoreDevice: Where a model's transform, evaluate and SQL score: "cpu", on processors, where a
                row's bits do not depend on the rows it comes with; "cuda", on the NVIDIA GPUs that Spark
                gave the executors, which needs the artifact candlewick-cuda and gives values within f32 of
                those; "auto", on GPUs where both are there, else on processors, and an executor's log says
                why. One row by itself (predict) is scored on processors. ("cpu" or "auto" or "cuda")
            inputShape: Shape that views the flat features as a tensor, without the batch dimension, for
                example [1, 28, 28]. Needed for binary features. Not set, and the features are one column of
                nested arrays: their sizes. (list of at least one whole number, each of at least 1)
            scale: Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1.
                (number above 0)
            network: The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (object of its
                builder, or its JSON document)
            initialWeights: Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with
                PyTorch's names on any file system that Hadoop reads, or its bytes. In Python also a
                state_dict, a module of PyTorch, or a trained model. Not set: random by the seed. (path, or
                the bytes of a file)
            initialModel: A trained model whose weights training starts from, instead of initialWeights;
                with resumeOptimizer=True training goes on where that of the model ended.
            strictWeights: Whether initialWeights must hold exactly the network's parameters. False: what
                fits is loaded, the rest starts random by the seed, and the summary says which. (true or
                false)
            loss: The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several,
                its JSON document, or its name where nothing else is to be said. A NeuralEstimator also
                takes a loss for each output by its name. Not set: CrossEntropyLoss for a classifier
                (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor; a
                NeuralEstimator needs one. (object of its builder, or its JSON document)
            epochs: Passes over the data. 0 gives a model that holds the initial weights. (whole number from
                0 to 1000000)
            batchSize: Rows of one step over all trainers together; exact, only the last step of an epoch
                may be shorter. (whole number from 1 to 16777216)
            optimizer: The optimiser: optim.SGD, optim.AdamW and the others, its JSON document, or its name
                where nothing else is to be said, such as "adam". (object of its builder, or its JSON
                document)
            learningRate: Learning rate, in place of the one that the optimizer says: a number, for grids
                and searches. Groups of the optimizer with a rate of their own keep it. Not set: as the
                optimizer says. (number of at least 0)
            lrScheduler: How the learning rate moves: optim.lr_scheduler.StepLR and the others, its JSON
                document, or its name where nothing else is to be said. It moves by epochs, or by updates
                with interval="step". Not set: it stays as the optimizer says. (object of its builder, or
                its JSON document)
            gradientAccumulationSteps: Steps whose gradients are added up for one update of the optimiser,
                as if they were one step of so many times batchSize; the last update of an epoch may have
                fewer. (whole number from 1 to 16777216)
            clipNorm: Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not
                set: no clipping. (number above 0)
            clipValue: Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not
                set: no clipping. (number above 0)
            classWeight: What rows of a class weigh in the loss, beside their weightCol: "balanced", rows /
                (classes * rows of the class) by the rows that train, counted exactly while they are fed, as
                in scikit-learn; or a number for each class, 1 for those that are not named. loss and
                val_loss are weighted by it, metrics are not. Not set: every class weighs 1. ("balanced", or
                an object with a number for classes such as {"0": 1.0, "1": 12.0}, each of at least 0)
            dropLast: Leave out the last step of an epoch where it has fewer than batchSize rows. (true or
                false)
            emaDecay: The model gets an exponential moving average of the weights, decay * average + (1 -
                decay) * weights after every update, for example 0.999; validation and early stopping judge
                the average. Not set: the weights themselves. (number of at least 0 and below 1)
            onNonFinite: What to do where the loss becomes NaN or infinite: "error" fails with the step and
                the likely cause, "skip" makes no update in a step whose loss or gradient is not finite and
                counts it in the history (skippedSteps). ("error" or "skip")
            metrics: What is reported of every epoch beside the loss, by scikit-learn's definitions.
                Classifier: accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two,
                weighted by class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc
                (average precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape.
                History has each as val_<metric> over the validation rows, and as <metric> over the outputs
                of the epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision,
                recall and f1 of more than 100 classes). (list of at least one text)
            validationFraction: Share of the rows to put aside for validation, chosen by their content and
                the seed: equal rows stay together, and the choice does not depend on partitions or cluster.
                0: none. (number of at least 0 and below 1)
            validationSteps: Steps after which the validation rows are also evaluated within an epoch
                (history: validations). 0: at the end of every epoch only. (whole number from 0 to
                1073741824)
            earlyStopping: When training ends before its last epoch: EarlyStopping(...), or its JSON
                document. Decided at the end of an epoch. Not set: never. (object of its builder, or its
                JSON document)
            seed: Seed of initial weights, row order and dropout. The same data, parameters and seed give
                the same weights bit for bit, on any number of trainers. (whole number of 64 bits)
            precision: What products of matrices (linear layers, convolutions, recurrent layers, attention)
                round their operands to while training: "f32", nothing is rounded; "bf16", as torch.autocast
                does, where products take about half the time on AMD's processors with avx512_bf16, and on
                others the same bits come out, slower; on GPUs they go through TF32; "bf16_amx", the same
                with sums in the order of Intel's AMX, which has products three times as fast as those of
                f32 (Xeon since Sapphire Rapids) and bits of its own: elsewhere they come out slower, and
                GPUs do not compute in it; "fp16", on GPUs only, with a loss that is scaled by the rules of
                torch.amp.GradScaler (history: lossScale). Sums, weights, the optimizer and everything else
                stay in f32. What a model computes in is scorePrecision. ("f32" or "bf16" or "bf16_amx" or
                "fp16")
            allowTF32: Whether products of f32 may be computed in TF32 where trainers compute on GPUs, as
                torch.backends.cuda.matmul.allow_tf32: operands have 11 bits then instead of 24, and
                products go through tensor cores. Processors have none of it, and "bf16" and "fp16"
                (precision) go through it already: neither is changed by it. (true or false)
            verbose: What the driver shows while it trains: loss, validation, metrics, rows/s, seconds left.
                true: a line per epoch. "auto": in Python a bar in a notebook, a line that moves in a
                terminal, else at most a line every two seconds; in Scala the log alone. false: nothing.
                ("auto", true or false)
            numTrainers: Trainer processes. 0: one per executor; on GPUs (device) one for each GPU of the
                executors. (whole number from 0 to 4096)
            minTrainers: Fewest trainers. Training begins with fewer than numTrainers where the cluster has
                no room for more now, and goes on with fewer after a loss, but not with fewer than these:
                others are waited for, up to executorTimeout. Not set: it begins with numTrainers and goes
                on with those that are left. (whole number from 1 to 4096)
            maxTrainers: Most trainers: where executors come later, training takes more trainers in at the
                end of an epoch, up to so many. Not set: as many as it began with, so that others take the
                place of those that are lost. (whole number from 1 to 4096)
            executorTimeout: Longest wait for other trainers where fewer than minTrainers are left.
                (duration such as "15s", "500ms" or "2min"; a bare number is seconds)
            threadsPerTrainer: Compute threads of a trainer. 0: the executor's cores divided by its
                trainers. (whole number from 0 to 1024)
            device: Where trainers compute. "cuda": on the NVIDIA GPUs that Spark gave the executors
                (spark.executor.resource.gpu.amount), each trainer on one; it needs the artifact
                candlewick-cuda, and a fit without either is refused before a trainer starts. "cpu": on
                processors. "auto": on GPUs where both are there, else on processors; the fit says which and
                why, and summary.device has it. ("auto" or "cpu" or "cuda")
            logicalShards: Logical shards the rows are dealt to; the unit of computation, so part of what
                decides the weights' bits. At least numTrainers. Not set: 8, or more for more trainers; on
                GPUs as many as trainers. (whole number from 1 to 65536)
            dataShuffle: Where rows go. "hash": their content says to which logical shard, so the model does
                not depend on the partitioning. "none": they go to the trainer beside the executor that
                reads them, and cross the network only where there is none; the model then depends on the
                partitioning and on where partitions were read, and equal rows are not spread. ("hash" or
                "none")
            maxRecoveries: How often a fit may go on after a loss (a trainer, its executor, its host) or
                after a connection between two trainers that broke; the next one fails it. 0: the first one
                does. (whole number from 0 to 1000000)
            dataReplicas: Trainers that keep each row. 2: a second trainer has a copy of what each one
                trains on, on another host or executor where it can be, so that nothing is read from the
                DataFrame again after a loss in training. It takes twice the memory for rows, and at least
                two trainers. The model has the same bits either way. (whole number from 1 to 2)
            failureTimeout: Silence after which a trainer counts as lost. (duration such as "15s", "500ms"
                or "2min"; a bare number is seconds)
            progressTimeout: Time without a step after which a trainer counts as stuck. (duration such as
                "15s", "500ms" or "2min"; a bare number is seconds)
            launchTimeout: Longest wait for all trainers to start. (duration such as "15s", "500ms" or
                "2min"; a bare number is seconds)
            transportSecurity: Whether connections between executors, trainers and driver are encrypted,
                beside the proof that both ends belong to the fit. "tls": by TLS 1.3. "none": rows and
                gradients cross the network in the clear. "auto": as Spark does with its own
                (spark.network.crypto.enabled, spark.authenticate.enableSaslEncryption, spark.ssl.enabled,
                spark.ssl.rpc.enabled, spark.io.encryption.enabled), where anything leaves the machine.
                ("auto" or "none" or "tls")
            feedMemory: Memory of an executor for rows on their way to the trainers. (size such as "64m" or
                "1g")
            trainerMemory: Memory of a trainer in all: network, optimiser, batches and rows. Rows beyond it
                are on disk (spoolDir), with the same model; a fit whose network and batch alone need more
                is refused before it starts. Not set: on YARN and Kubernetes 60 % of
                spark.executor.memoryOverhead, divided as the cores of the executor are among trainers of
                all fits; elsewhere 25 % of the memory of the machine divided by the trainers on it. A lower
                limit of the container goes before it. (size such as "64m" or "1g")
            spoolDir: Folder that exists on each executor, for rows that trainerMemory does not hold;
                several with commas between, used in turn. Not set: those that Spark has for its own files
                (spark.local.dir, or what YARN or Kubernetes gives). (absolute paths of folders, without
                "file:" and with commas between, such as "/data/1,/data/2")
            gradientCompression: What gradients become before trainers exchange them; part of what decides
                the bits of the weights, on one trainer too. "none": they stay f32. "auto": before the first
                step the trainers try steps, and by what these and the measured links take they decide for
                the whole fit, losses, growth and checkpoints included, between none and bf16
                (summary.compression says what and why); another number of trainers or another network may
                decide otherwise, so that the same bits on any number of trainers are given up. "bf16",
                "fp16": 16 bits a value, half of the bytes. "topk:0.01": the largest hundredth of the values
                of each parameter (any share); "1bit": signs and two means for 128 values; "powersgd:4": two
                factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds what it
                did not send to its next gradient. Gradients that go by rows (Embedding, sparse features)
                are not compressed. ("none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the
                values that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank
                from 1 to 9999, such as "powersgd:4")
            localSteps: Steps that every logical shard makes by itself, with weights and a state of the
                optimiser of its own on its part of each batch, before all meet and exchange; they also meet
                at the end of an epoch and before an evaluation. Part of what decides the bits of the
                weights, on one trainer too. 1: every step is one of all together. (whole number from 1 to
                4096)
            outerLearningRate: With localSteps above 1: learning rate of the step at a meeting, which takes
                the mean over the shards of (weights at the last meeting - weights now) as its gradient. 0.7
                as in DiLoCo (arXiv 2311.08105); with 1 and outerMomentum 0 the shards go on with the mean
                of their weights (local SGD). (number above 0)
            outerMomentum: With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in
                DiLoCo (arXiv 2311.08105). (number of at least 0 and below 1)
            asynchrony: Whether trainers compute while they exchange, or wait for each other at all; part of
                what decides the bits of the weights. "none": a step begins when the gradient of the one
                before is applied. "delayed": it is computed while that gradient is exchanged, with the
                weights from before it, so that each gradient is applied one step late, on one trainer too;
                at every 64th step of an epoch and at its end what is under way is waited for. "stale":
                every trainer applies its own updates at once and those of others as they come, and waits
                only where its weights would lack more than the last `staleness` steps of another; at every
                64th step of an epoch, before an evaluation and at the end of an epoch all agree. The same
                bits, on other runs too, are given up for it; one trainer alone computes what it does with
                "none". ("none" or "delayed" or "stale")
            staleness: With asynchrony="stale": of how many last steps a trainer may lack the updates of
                others when it begins a step, so that none is further ahead. More of it waits less, and
                trains with older weights. (whole number from 1 to 64)
            deterministicReduction: Whether gradients are added up in one order, so that the weights have
                the same bits on any number of trainers. false: the order may follow from the trainers,
                where that is faster (a ring); another number of trainers, a recovery or another network may
                give other bits then, all trainers of a fit still have the same. (true or false)
            checkpointDir: Folder on any Hadoop filesystem for checkpoints of the training. A fit of the
                same data and parameters (others than epochs, trainers and timeouts) goes on from the newest
                one there, with the bits of a fit that nobody ended. Not set: no checkpoints. (text)
            checkpointInterval: Epochs between checkpoints, where checkpointDir is set. -1: none at the end
                of epochs but the last one. (whole number of at least 1, or -1)
            checkpointSteps: Steps between checkpoints, where checkpointDir is set, beside those of
                checkpointInterval. Not set: none within epochs. (whole number of at least 1)
            keepCheckpoints: The newest checkpoints that are kept; older ones are deleted. With one there is
                none to go back to where it is damaged. (whole number of at least 1)
            saveOptimizer: Whether the model keeps the state that the training ended with, that of the
                optimiser too, so that a later fit can go on from it (resumeOptimizer). Saving the model
                writes it into the folder optimizer/. It has the size of the weights and of all that the
                optimiser keeps beside them: three times the weights with Adam. (true or false)
            resumeOptimizer: Whether training goes on where that of the initial model (setInitialModel)
                ended, with its optimiser, schedule and history, and not from its weights with a new
                optimiser. The model must have been fitted with saveOptimizer=true, from the same rows and
                parameters. epochs counts from the beginning: a model of 3 epochs and then epochs=6 give the
                bits of 6 epochs at once. (true or false)
            callbacks: Functions and candlewick.Callback objects that look on from the driver and may end
                the training; see setCallbacks.
        """
        given = self._input_kwargs
        super().__init__()
        self._attach(given)

    @keywords
    def setParams(
        self,
        *,
        featuresCol: str = "features",
        featuresCols: Sequence[str] | None = None,
        labelCol: str = "label",
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        predictionCol: str = "prediction",
        probabilityCol: str = "probability",
        rawPredictionCol: str = "rawPrediction",
        thresholds: Sequence[float] | None = None,
        handleInvalid: str = "error",
        outputCols: Mapping[str, str] | None = None,
        scorePrecision: str = "f32",
        scoreDevice: str = "cpu",
        inputShape: Sequence[int] | None = None,
        scale: float | None = None,
        network: NetworkLike | None = None,
        initialWeights: WeightsLike | None = None,
        initialModel: Any = None,
        strictWeights: bool = True,
        loss: LossLike | None = None,
        epochs: int = 10,
        batchSize: int = 256,
        optimizer: OptimizerLike = '{"type": "AdamW", "lr": 0.001}',
        learningRate: float | None = None,
        lrScheduler: SchedulerLike | None = None,
        gradientAccumulationSteps: int = 1,
        clipNorm: float | None = None,
        clipValue: float | None = None,
        classWeight: ClassWeightLike | None = None,
        dropLast: bool = False,
        emaDecay: float | None = None,
        onNonFinite: str = "error",
        metrics: Sequence[str] | None = None,
        validationFraction: float = 0.0,
        validationSteps: int = 0,
        earlyStopping: StoppingLike | None = None,
        seed: int = 0,
        precision: str = "f32",
        allowTF32: bool = False,
        verbose: str | bool = "auto",
        numTrainers: int = 0,
        minTrainers: int | None = None,
        maxTrainers: int | None = None,
        executorTimeout: str | float = "300s",
        threadsPerTrainer: int = 0,
        device: str = "auto",
        logicalShards: int = 8,
        dataShuffle: str = "hash",
        maxRecoveries: int = 3,
        dataReplicas: int = 1,
        failureTimeout: str | float = "15s",
        progressTimeout: str | float = "600s",
        launchTimeout: str | float = "300s",
        transportSecurity: str = "auto",
        feedMemory: str = "64m",
        trainerMemory: str | None = None,
        spoolDir: str | None = None,
        gradientCompression: str = "none",
        localSteps: int = 1,
        outerLearningRate: float = 0.7,
        outerMomentum: float = 0.9,
        asynchrony: str = "none",
        staleness: int = 4,
        deterministicReduction: bool = True,
        checkpointDir: str | None = None,
        checkpointInterval: int = 1,
        checkpointSteps: int | None = None,
        keepCheckpoints: int = 2,
        saveOptimizer: bool = False,
        resumeOptimizer: bool = False,
        callbacks: Sequence[CallbackLike] | None = None,
    ) -> Self:
        """Sets the parameters that are named, None unsets one; the others keep their values. See the constructor."""
        return self._set(**self._input_kwargs)
