"""What the names and objects of other libraries are here: for messages."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

#: How alike two names must be for one to be meant by the other: "batch" and "batchSize" are, "thresholds" and "featuresCols" are not.
_LIKE = 0.7
_ADAM = "learningRate, or optimizer=optim.Adam(lr=...)"
_DECAY = "optimizer=optim.AdamW(weight_decay=...)"
_STOPPING = 'earlyStopping=EarlyStopping("val_loss", patience=...)'
_NETWORK = "network=nn.Sequential(...)"
#: Rows that another DataFrame holds.
_MARKED = (
    'validationIndicatorCol="held_out", of one DataFrame: '
    'train.withColumn("held_out", lit(False)).union(test.withColumn("held_out", lit(True)))'
)
#: What Spark ML, scikit-learn, Keras, Lightning, PyTorch, Horovod, TensorFlowOnSpark, BigDL, XGBoost, H2O and SynapseML call it, and
#: what it is here: a parameter, or words that begin with one. Of several the first that a stage has.
_ELSEWHERE: dict[str, str | tuple[str, ...]] = {
    # Columns.
    **dict.fromkeys(("inputcol", "imagecol", "textcol", "features"), "featuresCol"),
    **dict.fromkeys(("inputcols", "featurecols", "featurecolumns", "continuouscols", "x"), "featuresCols"),
    "categoricalcols": "featuresCols, and an nn.Embedding that reads whole numbers (StringIndexer makes them)",
    "inputmapping": "featuresCols, or the names of the inputs of an nn.Graph, which are columns",
    "ignoredcols": "featuresCols, which names those that are read",
    **dict.fromkeys(("inputshapes", "featuresize", "inputdim"), "inputShape"),
    **dict.fromkeys(("targetcol", "target", "responsecolumn", "labelcolumn", "y", "labels"), "labelCol"),
    **dict.fromkeys(("labelcols", "labelcolumns", "targetcols"), ("labelCols", "labelCol")),
    **dict.fromkeys(("sampleweight", "sampleweightcol", "weightscolumn", "weightcolumn"), "weightCol"),
    **dict.fromkeys(("outputcol", "predictcol"), "predictionCol"),
    "outputmapping": "outputCols",
    "missing": 'handleInvalid="skip" for rows with null or NaN',
    # What is trained.
    **dict.fromkeys(
        ("model", "module", "net", "layers", "hiddenlayersizes", "hidden", "activation", "modelcreator", "modelfn", "backbone"),
        _NETWORK,
    ),
    **dict.fromkeys(("inputdropoutratio", "hiddendropoutratios", "dropout"), "network=nn.Sequential(nn.Dropout(...), ...)"),
    **dict.fromkeys(("numclasses", "numlabels"), "network=nn.Sequential(..., nn.Linear(classes)): its last width"),
    "customobjects": "network, of layers of nn alone: layers of one's own cannot be trained",
    **dict.fromkeys(("criterion", "lossfn", "lossfunction", "lossname", "losscreator", "lossconstructors", "objective"), "loss"),
    "distribution": "loss",
    "lossweights": "loss={output: nn.LossTerm(nn.MSELoss(), weight=...), ...}",
    # How.
    **dict.fromkeys(("lr", "stepsize", "learningrateinit", "eta", "rate"), _ADAM),
    **dict.fromkeys(("weightdecay", "regparam", "l2"), _DECAY),
    "momentum": "optimizer=optim.SGD(lr=..., momentum=...)",
    **dict.fromkeys(("solver", "optimmethod", "optimizername", "optimizercreator", "adaptiverate"), "optimizer"),
    **dict.fromkeys(("learningratedecay", "warmupsteps", "schedulercreator", "lrschedule", "lrdecay"), "lrScheduler"),
    **dict.fromkeys(
        (
            "maxiter", "maxepochs", "maxepoch", "numepochs", "nepochs", "nbepoch", "iterations", "numround", "numrounds",
            "numboostround", "nestimators", "numiterations", "numtrainepochs",
        ),
        "epochs",
    ),
    "endwhen": "epochs, or earlyStopping=EarlyStopping(...)",
    **dict.fromkeys(("blocksize", "minibatchsize", "trainbatchsize"), "batchSize"),
    **dict.fromkeys(
        ("batchperthread", "batchsizeperworker", "batchsizepergpu", "perdevicetrainbatchsize"),
        "batchSize, the rows of a step over all trainers together",
    ),
    **dict.fromkeys(
        ("backwardpassesperstep", "accumulategradbatches", "gradientaccumulation"), "gradientAccumulationSteps"
    ),
    **dict.fromkeys(("gradientclipval", "maxgradnorm", "clipgradnorm", "gradientclippingbyl2norm"), "clipNorm"),
    **dict.fromkeys(("constantgradientclipping", "constantgradientclippingparams"), "clipValue=..., the same below and above 0"),
    **dict.fromkeys(("fp16", "amp", "mixedprecision", "dtype"), "precision"),
    **dict.fromkeys(("scaleposweight", "balanceclasses"), ("classWeight", "weightCol, a column of what each row weighs")),
    "terminateonnan": "onNonFinite",
    **dict.fromkeys(("randomstate", "randomseed"), "seed"),
    **dict.fromkeys(("usetqdm", "progressbar", "enableprogressbar"), "verbose"),
    # Validation.
    **dict.fromkeys(("validationsplit", "splitratio", "testsize"), "validationFraction"),
    "validation": "validationFraction, or validationIndicatorCol for rows that a column marks",
    **dict.fromkeys(
        ("validationdata", "validationdf", "validationdataset", "validationframe", "evalset", "evaldata", "evaldataset"), _MARKED
    ),
    **dict.fromkeys(("validationfreq", "valcheckinterval", "scoreinterval", "evalsteps"), "validationSteps"),
    **dict.fromkeys(("evalmetric", "validationmethod", "validationmethods", "isprovidetrainingmetric", "weightedmetrics"), "metrics"),
    **dict.fromkeys(("patience", "tol", "niternochange", "earlystoppingrounds", "earlystoppinground", "stoppingrounds"), _STOPPING),
    **dict.fromkeys(("stoppingmetric", "stoppingtolerance"), 'earlyStopping=EarlyStopping("val_loss", minDelta=...)'),
    # Where.
    **dict.fromkeys(
        (
            "numworkers", "nworkers", "numexecutors", "numprocesses", "numproc", "clustersize", "numtasks", "nprocpernode", "worldsize",
            "workerspernode", "numnodes", "devices", "parallelism",
        ),
        "numTrainers",
    ),
    "minnumproc": "minTrainers",
    "maxnumproc": "maxTrainers",
    **dict.fromkeys(("njobs", "numthreads", "nthread", "numcores", "coresperworker"), "threadsPerTrainer"),
    **dict.fromkeys(("gpu", "usegpu", "gpus", "numgpus", "accelerator"), 'device="cuda"'),
    **dict.fromkeys(("compression", "gradcompression"), "gradientCompression"),
    **dict.fromkeys(("reproducible", "deterministic"), "deterministicReduction"),
    **dict.fromkeys(("starttimeout", "reservationtimeout", "timeoutrequestworkers"), "launchTimeout"),
    "elastictimeout": "executorTimeout",
    "feedtimeout": "progressTimeout",
    "resetlimit": "maxRecoveries",
    "datacachelevel": "trainerMemory: rows beyond it are on disk",
    **dict.fromkeys(("useexternalstorage", "cachedir"), "spoolDir"),
    # What is kept.
    **dict.fromkeys(
        ("checkpoint", "checkpointpath", "modeldir", "checkpointcallback", "exportcheckpoints", "recoverydir"), "checkpointDir"
    ),
    "runid": "checkpointDir: a fit of the same data and parameters goes on from what is there",
    "checkpointtrigger": "checkpointInterval, in epochs, or checkpointSteps",
    "overwritecheckpoint": "keepCheckpoints",
    **dict.fromkeys(("warmstart", "xgbmodel", "modelstring"), "initialWeights, or setInitialModel(model)"),
}  # fmt: skip
#: Names for which there is nothing to set, and why.
_FEED = "rows go from Spark's tasks straight to the trainers, and no files are written before"
_ORDER = "the order of the rows is another one in each epoch, and follows from the seed"
_PASS = "an epoch is every row once; epochs says how many there are"
_SPARK = "trainers run in the executors of this session; numTrainers says how many"
_BEFORE = "prepare the columns of the DataFrame before fit, by Spark's own functions or stages of a Pipeline"
_WATCH = (
    "setCallbacks([TensorBoardCallback(folder)]) and MLflowCallback pass on what a fit tells, summary.history has it"
)
_NOTHING = {
    **dict.fromkeys(
        (
            "store", "partitionsperprocess", "trainreadernumworkers", "valreadernumworkers", "readerpooltype", "readers", "datamodule",
            "petastormreaderkwargs", "tfrecorddir", "inputmode", "dataloadernumworkers", "loadernumepochs", "debugdataloader",
            "trainasyncdataloaderqueuesize", "valasyncdataloaderqueuesize", "tensorflowdatasetprefetchbuffersize", "prefetch",
            "transfermode", "datatransfermode", "usesingledatasetmode", "forcerepartition",
        ),
        _FEED,
    ),
    **dict.fromkeys(("inmemorycacheall", "cachingsample", "cache"), "rows are read once, and kept by the trainers for all epochs"),
    **dict.fromkeys(("shuffle", "shufflebuffersize", "shuffling", "repartitionrandomshuffle"), _ORDER),
    **dict.fromkeys(
        ("trainstepsperepoch", "stepsperepoch", "maxsteps", "steps", "numsteps", "trainsamplesperiteration", "initialepoch"), _PASS
    ),
    **dict.fromkeys(("validationstepsperepoch", "valbatchsize", "validationbatchsize"), (
        "the validation rows are evaluated all, in slices whose size changes no value"
    )),
    **dict.fromkeys(
        (
            "backend", "backendenv", "localmode", "mpstartmethod", "masternode", "driverpsnodes", "clustermode", "strategy",
            "usebarrierexecutionmode", "usebarrier", "usempi", "usegloo", "nics", "trackerconf", "defaultlistenport", "workers",
        ),
        _SPARK,
    ),
    "numps": "there are no parameter servers: the trainers exchange gradients",
    "protocol": "the trainers exchange gradients over connections that know each other by the keys of the fit",
    **dict.fromkeys(
        ("gracesecs", "killsparkcontext", "killsparkcontextonworkerfailure"),
        "a fit returns when its trainers have ended, and the session goes on",
    ),
    **dict.fromkeys(
        (
            "transformationfn", "transformationeditfields", "transformationremovedfields", "transformfn", "preprocessing",
            "samplepreprocessing", "featurepreprocessing", "standardize",
        ),
        _BEFORE,
    ),
    **dict.fromkeys(("labelshapes", "labelsize"), "a label has as many values as its columns"),
    **dict.fromkeys(
        ("tensorboard", "logdir", "logger", "loglevel", "logeverynsteps", "trainsummary", "validationsummary", "profiler"), _WATCH
    ),
    **dict.fromkeys(("exportdir", "signaturedefkey", "tagset"), "model.write().save(path) saves the model, toOnnx writes ONNX"),
    "trainminibatchfn": "a step is the loss, its gradient and the optimizer's update; Python of yours does not run in it",
    "compresssparsecols": "sparse vectors stay sparse on their way and in memory",
    **dict.fromkeys(("nfolds", "foldcolumn"), "pyspark.ml.tuning.CrossValidator searches and folds"),
    "syncstats": "BatchNorm normalises over all rows of a step, on all trainers",
}  # fmt: skip

#: Arguments of PyTorch's and Keras' layers, losses, optimisers, schedules and callbacks that are called otherwise here, or nothing.
_PLACE = "where a fit computes, and how precisely, is said of the estimator: device, precision"
_FAST = "the update is always made for all parameters at once"
_BY_REDUCTION = "reduction says both"
_ARGUMENTS = {
    **dict.fromkeys(("device", "dtype"), _PLACE),
    "params": "an optimiser is for the parameters of the network; groups sets some of them apart",
    **dict.fromkeys(("foreach", "fused", "capturable", "differentiable"), _FAST),
    **dict.fromkeys(("sizeaverage", "reduce"), _BY_REDUCTION),
    **dict.fromkeys(("lastepoch", "optimizer"), "a schedule is for the optimizer of its estimator, from the first step on"),
}  # fmt: skip
#: Those of one kind.
_OF_KIND = {
    ("EarlyStopping", "monitor"): "metric",
    ("EarlyStopping", "mindelta"): "minDelta",
    ("EarlyStopping", "restorebestweights"): "restoreBest",
    ("EarlyStopping", "tol"): "minDelta",
    ("ReduceLROnPlateau", "monitor"): "metric",
    ("ReduceLROnPlateau", "mindelta"): "threshold",
    ("Linear", "units"): "out_features",
}


def no_argument(owner: str, name: str, names: Sequence[str]) -> str:
    """Says that a layer, a loss, an optimiser or a schedule has no such argument, and what may have been meant.

    Args:
        owner: Its name.
        name: The argument.
        names: Those that it has.
    """
    told = f"{owner} has no argument '{name}'; it has {', '.join(names) or 'none'}"
    small, plain = name.lower().replace("_", ""), {one.lower().replace("_", ""): one for one in names}
    known = _OF_KIND.get((owner, small)) or ("lr" if small == "learningrate" else None)
    if known in names:
        return f"{told}; did you mean '{known}'?"
    if small in _ARGUMENTS:
        return f"{told}; {_ARGUMENTS[small]}"
    near = difflib.get_close_matches(small, plain, n=1, cutoff=_LIKE)
    return f"{told}; did you mean '{plain[near[0]]}'?" if near else told


def meant(name: str, plain: Mapping[str, str], shown: Callable[[str], str] = str) -> str:
    """What may have been meant by a name.

    Args:
        name: The name.
        plain: The parameters by their names in small letters.
        shown: What a parameter is called there: itself, or its setter.
    """
    small = name.lower().replace("_", "")
    listed = _ELSEWHERE.get(small, ())
    for text in (listed,) if isinstance(listed, str) else listed:
        first = re.split(r"\W", text)[0]
        if first in plain.values():
            return f"; did you mean '{shown(first)}'?" if text == first else f"; it is {text} here"
    if small in _NOTHING and small not in plain:
        return f"; there is nothing to set: {_NOTHING[small]}"
    near = difflib.get_close_matches(small, plain, n=1, cutoff=_LIKE)
    return f"; did you mean '{shown(plain[near[0]])}'?" if near else ""


def of_accessor(name: str, kind: type) -> str:
    """What may have been meant by a setter or getter that a stage does not have, such as another library's ``setClusterSize``."""
    found = re.fullmatch(r"(set|get)_?([A-Za-z]\w*)", name)
    if found is None:
        return ""
    prefix = found[1]
    # Those that the class has, so that a model is not told of setters of estimators.
    names = [one[3:4].lower() + one[4:] for one in dir(kind) if re.match(rf"{prefix}[A-Z]", one)]
    return meant(found[2], {one.lower(): one for one in names}, lambda one: f"{prefix}{one[:1].upper()}{one[1:]}")


#: What is no network yet, by its class.
_PARTS = {
    "Tabular": "tabular(...).head(nn.Linear(...)) is a network: give it its layers",
    **dict.fromkeys(
        ("Tensor", "Input"), "nn.Graph(inputs, outputs) makes a network of what its layers were called with"
    ),
    **dict.fromkeys(("list", "tuple"), "nn.Sequential(*layers) makes a network of layers"),
}


def of_network(value: object) -> str:
    """What to say of a network of Keras or PyTorch, or of a part, in place of one of ours. Else nothing."""
    part = _PARTS.get(type(value).__name__)
    if part is not None:
        return f"; {part}"
    homes = {kind.__module__.split(".")[0] for kind in type(value).__mro__}
    # With its backend of PyTorch a model of Keras is a module too.
    if homes & {"keras", "tf_keras"}:
        return "; nn.from_keras(model) reads a model of Keras"
    return "; nn.from_torch(module) reads a module of PyTorch" if "torch" in homes else ""


def of_torch(value: object, builders: Mapping[str, type]) -> str:
    """What to say of a loss, an optimiser or a schedule that is PyTorch's: its `nn` may stand for ours. Else nothing.

    Args:
        value: What was given.
        builders: Ours, by their names.
    """
    kind: Any = value if isinstance(value, type) or inspect.isfunction(value) else type(value)
    if not str(kind.__module__).startswith("torch."):
        return ""
    ours = builders.get(kind.__name__)
    if ours is None:
        return f"; that is PyTorch's {kind.__name__}, and Candlewick has none of this name"
    # Where a person finds it: nn, optim or optim.lr_scheduler.
    home = re.sub(r"\._\w+$", "", ours.__module__).removeprefix("candlewick.")
    return f"; that is PyTorch's: take {home}.{kind.__name__} of `from candlewick import nn, optim`"


def of_value(owner: object, name: str, value: object, builders: Mapping[str, type]) -> str:
    """What to say of an argument's value that is not legal, where another library would take it. Else nothing.

    Args:
        owner: Whose argument it is.
        name: The argument.
        value: What was given.
        builders: Our classes, by their names.
    """
    if name == "lr" and isinstance(value, Iterable) and not isinstance(value, str):
        kind = type(owner).__name__
        return f"; {kind} is for the parameters of the network, which are not given: optim.{kind}(lr=1e-3)"
    return of_torch(value, builders)
