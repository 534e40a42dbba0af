"""What the names and objects of other libraries are here: for messages."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import Any

#: How alike two names must be for one to be meant by the other: "batch" and "batchSize" are, "thresholds" and "featuresCols" are not.
_LIKE = 0.7
#: What Spark ML, scikit-learn, Keras, Lightning and PyTorch call it, and what it is here: a parameter, or words that begin with one.
_ELSEWHERE = {
    "lr": "learningRate, or optimizer=optim.Adam(lr=...)",
    "stepsize": "learningRate, or optimizer=optim.Adam(lr=...)",
    "learningrateinit": "learningRate, or optimizer=optim.Adam(lr=...)",
    "weightdecay": "optimizer=optim.AdamW(weight_decay=...)",
    "regparam": "optimizer=optim.AdamW(weight_decay=...)",
    "momentum": "optimizer=optim.SGD(lr=..., momentum=...)",
    "solver": "optimizer",
    **dict.fromkeys(("maxiter", "maxepochs", "numepochs", "nepochs", "nbepoch", "iterations"), "epochs"),
    "blocksize": "batchSize",
    **dict.fromkeys(("model", "module", "net", "layers", "hiddenlayersizes"), "network=nn.Sequential(...)"),
    **dict.fromkeys(("criterion", "lossfn", "lossfunction"), "loss"),
    **dict.fromkeys(("gradientclipval", "maxgradnorm", "clipgradnorm"), "clipNorm"),
    **dict.fromkeys(("patience", "tol", "niternochange"), 'earlyStopping=EarlyStopping("val_loss", patience=...)'),
    "validationsplit": "validationFraction",
    "randomstate": "seed",
    "sampleweight": "weightCol",
    **dict.fromkeys(("numworkers", "numexecutors", "numprocesses"), "numTrainers"),
    **dict.fromkeys(("njobs", "numthreads"), "threadsPerTrainer"),
    **dict.fromkeys(("gpu", "usegpu", "gpus", "accelerator"), 'device="cuda"'),
    "inputcol": "featuresCol",
    "inputcols": "featuresCols",
    **dict.fromkeys(("targetcol", "target"), "labelCol"),
}


def meant(name: str, plain: dict[str, str]) -> str:
    """What may have been meant by a name, of the parameters by their names in small letters."""
    small = name.lower().replace("_", "")
    elsewhere = _ELSEWHERE.get(small, "")
    if re.split(r"\W", elsewhere)[0] in plain.values():
        return f"; it is {elsewhere} here" if elsewhere not in plain.values() else f"; did you mean '{elsewhere}'?"
    near = difflib.get_close_matches(small, plain, n=1, cutoff=_LIKE)
    return f"; did you mean '{plain[near[0]]}'?" if near else ""


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
