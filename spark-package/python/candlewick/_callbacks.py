"""Callbacks: who looks on from the driver while a fit trains, and may end it."""

from __future__ import annotations

import difflib
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from candlewick.errors import CallbackError

_log = logging.getLogger("candlewick")

#: What every record has; the others of its numbers are metrics.
_PLAIN = ("epoch", "step", "loss", "lr", "rows", "seconds")


@dataclass(frozen=True)
class FitInfo:
    """A fit, as its callbacks know it: several may run at once, for example those of a CrossValidator."""

    #: Id of the fit, as it stands in the log and in the tags of its Spark jobs.
    id: str
    #: The same in short: fits of one driver are numbered from 1.
    number: int
    #: uid of the estimator.
    uid: str
    #: Epochs that it makes unless it is stopped.
    epochs: int
    #: The parameters that were set.
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class StepRecord:
    """Where a fit stands within an epoch."""

    #: The fit.
    fit: FitInfo
    #: Epoch, from 0.
    epoch: int
    #: Steps of the whole training so far.
    step: int
    #: Steps of an epoch.
    stepsPerEpoch: int
    #: Mean loss over the epoch so far; NaN where it has none yet.
    loss: float
    #: Rows trained on per second, in this epoch.
    rowsPerSecond: float
    #: Until the last epoch ends, at that rate; None where that is not known yet.
    secondsLeft: float | None


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch was: the record of the history, each number an attribute: ``record.loss``, ``record.val_accuracy``."""

    #: The fit.
    fit: FitInfo
    #: Epoch, from 0.
    epoch: int
    #: Steps of the whole training so far.
    step: int
    #: Mean loss over the epoch's rows.
    loss: float
    #: Learning rate of its last step.
    lr: float
    #: Rows trained on, over all trainers.
    rows: int
    #: Time it took.
    seconds: float
    #: Everything else by name: ``accuracy``, ``val_loss``, ``confusion_matrix``; NaN where a value is not defined.
    metrics: Mapping[str, Any]
    #: True where it was trained before: the fit goes on from a checkpoint.
    again: bool = False

    def __getattr__(self, name: str) -> Any:
        metrics = self.__dict__.get("metrics", {})
        if name in metrics:
            return metrics[name]
        raise AttributeError(
            f"the record of an epoch has no '{name}'; it has {', '.join((*_PLAIN, *metrics))}"
            if metrics or not name.startswith("_")
            else name
        )

    def __getitem__(self, name: str) -> Any:
        """The same by name: ``record["val_loss"]``."""
        return getattr(self, name)

    def numbers(self) -> dict[str, float]:
        """The loss and every metric that is one number, by name."""
        metrics = {name: value for name, value in self.metrics.items() if isinstance(value, int | float)}
        return {"loss": self.loss, **metrics}


class Callback:
    """Looks on while a fit trains, from the driver, and may end it.

    Its methods are called one after another, by the thread that called ``fit``. Trainers wait at the end of an epoch until all
    callbacks have seen it. What a callback raises fails the fit. Nothing of it is pickled.

    Example:
        >>> class Target(Callback):
        ...     def on_epoch_end(self, epoch):
        ...         return epoch.loss < 0.1  # true ends the training here
        >>> Target().on_epoch_end(EpochRecord(FitInfo("a", 1, "u", 3), 0, 8, 0.05, 0.1, 64, 1.0, {}))
        True
    """

    def on_fit_begin(self, fit: FitInfo) -> None:
        """The fit begins."""

    def on_step(self, step: StepRecord) -> None:
        """Within an epoch, a few times a second at most."""

    def on_epoch_end(self, epoch: EpochRecord) -> bool | None:
        """At the end of an epoch.

        Where a fit goes on from a checkpoint, it is first told of the epochs before it (``epoch.again``).

        Returns:
            True ends the training after this epoch, with the model of a fit of so many epochs.
        """
        return None

    def on_fit_end(self, model: Any, fit: FitInfo) -> None:
        """The fit has ended well."""

    def on_exception(self, error: BaseException, fit: FitInfo) -> None:
        """The fit has failed or was cancelled.

        What this raises becomes a note of the error; on Python 3.10, whose errors take none, it is logged.
        """


#: A callback, or a function of an epoch's record; true ends the training there.
CallbackLike: TypeAlias = Callback | Callable[[EpochRecord], bool | None]


class _Function(Callback):
    """A function that looks at the end of each epoch."""

    def __init__(self, function: Callable[[EpochRecord], bool | None]) -> None:
        self.function = function

    def on_epoch_end(self, epoch: EpochRecord) -> bool | None:
        """The function decides."""
        return self.function(epoch)


def _named(callback: Callback, index: int) -> str:
    if isinstance(callback, _Function):
        name = getattr(callback.function, "__name__", type(callback.function).__name__)
        return f"number {index + 1} (a lambda)" if name == "<lambda>" else name
    return type(callback).__name__


def checked(callbacks: Sequence[CallbackLike] | None) -> tuple[CallbackLike, ...]:
    """The callbacks, where all of them are some.

    Raises:
        TypeError: One of them is not.
    """
    if callbacks is None:
        return ()
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Sequence):
        raise TypeError(f"callbacks must be a list, not {type(callbacks).__name__}; write callbacks=[...]")
    for index, callback in enumerate(callbacks):
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            what = f"the class {callback.__name__}" if isinstance(callback, type) else type(callback).__name__
            raise TypeError(
                f"callbacks[{index}] must be an object of candlewick.Callback or a function of an epoch's record, not {what}"
            )
        _warn_of_strangers(callback)
    return tuple(callbacks)


def _warn_of_strangers(callback: CallbackLike) -> None:
    """Warns of a method that looks like one of a callback and is none: nobody would call it."""
    if not isinstance(callback, Callback):
        return
    known = [name for name in dir(Callback) if name.startswith("on_")]
    for name in dir(type(callback)):
        if name.startswith("on_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            warnings.warn(
                f"{type(callback).__name__}.{name} is never called: a callback has {', '.join(known)}{hint}",
                stacklevel=4,
            )


class Callbacks:
    """The callbacks of one fit."""

    def __init__(self, callbacks: Sequence[CallbackLike], fit: FitInfo) -> None:
        self._fit = fit
        made = [each if isinstance(each, Callback) else _Function(each) for each in callbacks]
        self._all = [(callback, _named(callback, index)) for index, callback in enumerate(made)]

    def _each(self, what: str, call: Callable[[Callback], Any]) -> Iterator[tuple[str, Any]]:
        for callback, name in self._all:
            try:
                yield name, call(callback)
            except Exception as error:
                raise CallbackError(f"the callback {name} failed in {what}: {type(error).__name__}: {error}") from error

    def begin(self) -> None:
        """The fit begins."""
        list(self._each("on_fit_begin", lambda callback: callback.on_fit_begin(self._fit)))

    def step(self, event: Mapping[str, Any]) -> None:
        """A step was made."""
        if not self._all:
            return
        loss = event.get("loss")
        step = StepRecord(
            self._fit,
            event["epoch"],
            event["step"],
            event["stepsPerEpoch"],
            math.nan if loss is None else loss,
            event["rowsPerSecond"],
            event["secondsLeft"],
        )
        list(self._each(f"on_step, in epoch {step.epoch}", lambda callback: callback.on_step(step)))

    def epoch(self, event: Mapping[str, Any]) -> str | None:
        """An epoch is over: the name of the first callback that ends the training, of which every one sees the epoch."""
        if not self._all:
            return None
        record = event["record"]
        metrics = {name: math.nan if value is None else value for name, value in record.items() if name not in _PLAIN}
        plain = {name: record[name] for name in _PLAIN}
        epoch = EpochRecord(fit=self._fit, metrics=metrics, again=event.get("again", False), **plain)
        answers = self._each(f"on_epoch_end of epoch {epoch.epoch}", lambda callback: callback.on_epoch_end(epoch))
        return next((name for name, stops in list(answers) if stops), None)

    def end(self, model: Any) -> None:
        """The fit has ended well."""
        list(self._each("on_fit_end", lambda callback: callback.on_fit_end(model, self._fit)))

    def exception(self, error: BaseException) -> None:
        """The fit has failed."""
        for callback, name in self._all:
            try:
                callback.on_exception(error, self._fit)
            except Exception as other:
                told = f"the callback {name} failed in on_exception: {type(other).__name__}: {other}"
                add_note = getattr(error, "add_note", None)
                if add_note is not None:
                    add_note(told)
                else:
                    # No warning: where warnings are errors it would take the place of the fit's own.
                    _log.warning(told)
