"""Callbacks that pass on what a fit tells to TensorBoard and to MLflow.

Both packages are asked for only where a callback of theirs is made.
"""

from __future__ import annotations

import itertools
import math
import os
import re
from typing import Any

from candlewick._callbacks import Callback, EpochRecord, FitInfo, StepRecord
from candlewick.errors import CancelledError, InvalidParameterError

#: Longest value of a parameter that MLflow's servers take.
_LONGEST = 500
#: What MLflow takes in no name of a metric; outputs and metrics may be called so here.
_UNNAMEABLE = re.compile(r"[^/\w.\- :]")
#: What stands in no name of a folder here: uids come from saved stages too, and there they may be any text.
_NO_FOLDER = re.compile(r"[^A-Za-z0-9_.\-]")


def _nameable(name: str) -> str:
    """A name that MLflow takes: it reads ``/`` as that of a path, no part of which may be left out or lead upwards."""
    return "/".join(part for part in _UNNAMEABLE.sub("_", name).split("/") if part not in ("", ".", ".."))


class TensorBoardCallback(Callback):
    """Writes the loss and every metric of an epoch as event files, for ``tensorboard --logdir``; needs the package tensorboard.

    Curves of one fit lie in a folder of their own below ``logdir``, named by the estimator's uid, the fit's number and the
    beginning of its id: fits of a CrossValidator can be compared, and those of other programs. Within a long epoch the loss so far
    and the speed are written as ``step/...``.

    Example:
        >>> clf.setCallbacks([TensorBoardCallback("/Volumes/main/default/tb")])  # doctest: +SKIP

    Args:
        logdir: A folder of the driver's file system.

    Raises:
        ImportError: The package tensorboard is not there.
    """

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError as error:
            raise ImportError("TensorBoardCallback needs the package tensorboard: pip install tensorboard") from error
        self._make = Writer
        self._logdir = os.fspath(logdir)
        #: By the id of the fit: several may run at once.
        self._writers: dict[str, Any] = {}

    def on_fit_begin(self, fit: FitInfo) -> None:
        """Begins its files."""
        # A loaded stage keeps its uid, and each JVM counts its fits from 1: the id alone is another one for each.
        name = f"{_NO_FOLDER.sub('_', fit.uid)}-{fit.number}-{fit.id[:8]}"
        self._writers[fit.id] = self._make(os.path.join(self._logdir, name))

    def on_step(self, step: StepRecord) -> None:
        """Writes the loss so far and the speed."""
        writer = self._writers[step.fit.id]
        if not math.isnan(step.loss):
            writer.add_scalar("step/loss", step.loss, step.step)
        writer.add_scalar("step/rowsPerSecond", step.rowsPerSecond, step.step)

    def on_epoch_end(self, epoch: EpochRecord) -> None:
        """Writes the numbers of the epoch."""
        writer = self._writers[epoch.fit.id]
        for name, value in {**epoch.numbers(), "lr": epoch.lr}.items():
            writer.add_scalar(name, value, epoch.epoch)
        writer.flush()

    def on_fit_end(self, model: Any, fit: FitInfo) -> None:
        """Ends its files."""
        self._writers.pop(fit.id).close()

    def on_exception(self, error: BaseException, fit: FitInfo) -> None:
        """Ends its files: what was written stays."""
        writer = self._writers.pop(fit.id, None)
        if writer is not None:
            writer.close()


class MLflowCallback(Callback):
    """Logs the parameters that were set and the metrics of every epoch to MLflow; needs the package mlflow or mlflow-skinny.

    They go into the run that is active when ``fit`` is called. Where none is, the fit has a run of its own, named by the
    estimator's uid and the fit's number, which ends with it: FINISHED, FAILED, or KILLED where it was cancelled. The model is
    not logged: see `candlewick.mlflow.log_model`.

    MLflow takes letters, digits and ``_ - . : /`` and spaces in the names of metrics. Everything else, in the name of an output
    or the prefix, is logged as ``_``: ``val_loss_P(buy)`` as ``val_loss_P_buy_``. Where another metric has that name already,
    it is ``val_loss_P_buy__2``.

    Example:
        >>> with mlflow.start_run():  # doctest: +SKIP
        ...     clf.setCallbacks([MLflowCallback()]).fit(train)

    Args:
        prefix: Stands before the names of metrics, for example "nn_".

    Raises:
        ImportError: The package mlflow is not there.
        InvalidParameterError: MLflow takes no name that begins with the prefix.
    """

    def __init__(self, prefix: str = "") -> None:
        try:
            import mlflow
        except ImportError as error:
            raise ImportError("MLflowCallback needs the package mlflow: pip install mlflow-skinny") from error
        # Any name that stands after it.
        name = _UNNAMEABLE.sub("_", f"{prefix}loss")
        if name != _nameable(name) or name.startswith(".."):
            raise InvalidParameterError(
                f"MLflowCallback: prefix = {prefix!r} is not legal: expected one that does not begin with / or .., and has no "
                "empty part, . or .. between two /"
            )
        self._mlflow: Any = mlflow
        self._prefix = prefix
        #: By the id of the fit: its run, and whether it is the fit's own.
        self._runs: dict[str, tuple[str, bool]] = {}
        #: By the id of the fit: what its numbers are called in MLflow.
        self._names: dict[str, dict[str, str]] = {}

    @property
    def _client(self) -> Any:
        return self._mlflow.MlflowClient()

    def on_fit_begin(self, fit: FitInfo) -> None:
        """Finds or begins the run, and logs the parameters."""
        active = self._mlflow.active_run()
        if active is None:
            client = self._client
            run = client.create_run(self._experiment(), run_name=f"{fit.uid}-{fit.number}").info.run_id
        else:
            run = active.info.run_id
        self._runs[fit.id] = run, active is None
        known = self._client.get_run(run).data.params
        for name, value in fit.params.items():
            # A run keeps the first value of a parameter: that of the fits of a CrossValidator's grid stand in its own log.
            if name not in known:
                self._client.log_param(run, name, str(value)[:_LONGEST])

    def _experiment(self) -> str:
        """The experiment that ``mlflow.start_run`` would take."""
        from mlflow.tracking.fluent import _get_experiment_id

        return str(_get_experiment_id())

    def on_epoch_end(self, epoch: EpochRecord) -> None:
        """Logs the numbers of the epoch, with the epoch as step."""
        run, _ = self._runs[epoch.fit.id]
        numbers = {**epoch.numbers(), "lr": epoch.lr}
        names = self._named(epoch.fit.id, [self._prefix + name for name in numbers])
        for name, value in numbers.items():
            self._client.log_metric(run, names[self._prefix + name], value, step=epoch.epoch)

    def _named(self, fit: str, wanted: list[str]) -> dict[str, str]:
        """What each is called: the same in all epochs, and no two alike."""
        names = self._names.setdefault(fit, {})
        # Those that may stay as they are come first.
        for name in sorted((one for one in wanted if one not in names), key=lambda one: one != _nameable(one)):
            legal = _nameable(name)
            others = (legal if at == 1 else f"{legal}_{at}" for at in itertools.count(1))
            names[name] = next(one for one in others if one not in names.values())
        return names

    def on_fit_end(self, model: Any, fit: FitInfo) -> None:
        """Ends the run, where it is the fit's own."""
        self._end(fit, "FINISHED")

    def on_exception(self, error: BaseException, fit: FitInfo) -> None:
        """Ends the run, where it is the fit's own, as failed or, where it was cancelled, as killed."""
        cancelled = isinstance(error, CancelledError) or not isinstance(error, Exception)
        self._end(fit, "KILLED" if cancelled else "FAILED")

    def _end(self, fit: FitInfo, status: str) -> None:
        run, own = self._runs.pop(fit.id, ("", False))
        self._names.pop(fit.id, None)
        if own:
            self._client.set_terminated(run, status)


__all__ = ["MLflowCallback", "TensorBoardCallback"]
