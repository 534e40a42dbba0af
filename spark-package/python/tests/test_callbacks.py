"""Callbacks, as far as they need no session."""

from __future__ import annotations

import copy
import math
import warnings

import pytest

from candlewick import Callback, EpochRecord, FitInfo
from candlewick._callbacks import Callbacks, checked
from candlewick.errors import CallbackError, JobFailedError

FIT = FitInfo("a", 1, "uid", 3)
EVENT = {
    "event": "epoch",
    "record": {
        "epoch": 1,
        "step": 8,
        "loss": 0.5,
        "lr": 0.1,
        "rows": 64,
        "seconds": 1.0,
        "val_loss": 0.25,
        "val_roc_auc": None,
        "confusion_matrix": [[1, 2], [3, 4]],
    },
}


def test_a_record_has_every_number_by_name() -> None:
    seen: list[EpochRecord] = []
    assert Callbacks([seen.append], FIT).epoch(EVENT) is None
    (epoch,) = seen
    assert (epoch.epoch, epoch.loss, epoch.val_loss, epoch["lr"], epoch["val_loss"]) == (1, 0.5, 0.25, 0.1, 0.25)
    assert math.isnan(epoch.val_roc_auc), "a comparison with what is not defined is false, and no error"
    assert set(epoch.numbers()) == {"loss", "val_loss", "val_roc_auc"}
    assert epoch.confusion_matrix == [[1, 2], [3, 4]] and copy.copy(epoch).val_loss == 0.25
    with pytest.raises(AttributeError, match=r"has no 'val_los'; it has epoch, step, loss.*val_loss"):
        _ = epoch.val_los


def test_every_callback_sees_an_epoch_and_the_first_that_ends_it_is_named() -> None:
    seen = []

    class Ends(Callback):
        def on_epoch_end(self, epoch: EpochRecord) -> bool:
            seen.append(epoch)
            return True

    def too_large(epoch: EpochRecord) -> bool:
        seen.append(epoch)
        return epoch.loss > 1

    assert Callbacks([Ends(), too_large, lambda epoch: True], FIT).epoch(EVENT) == "Ends"
    assert len(seen) == 2
    assert Callbacks([too_large, lambda epoch: True], FIT).epoch(EVENT) == "number 2 (a lambda)"
    assert Callbacks([], FIT).epoch(EVENT) is None


def test_an_error_names_the_callback_and_where() -> None:
    class Broken(Callback):
        def on_fit_begin(self, fit: FitInfo) -> None:
            raise ValueError("no")

        def on_exception(self, error: BaseException, fit: FitInfo) -> None:
            raise KeyError("again")

    callbacks = Callbacks([Broken()], FIT)
    with pytest.raises(CallbackError, match="the callback Broken failed in on_fit_begin: ValueError: no") as caught:
        callbacks.begin()
    assert isinstance(caught.value, JobFailedError) and isinstance(caught.value.__cause__, ValueError)
    # What fails when a fit has failed hides nothing.
    callbacks.exception(caught.value)


def test_what_on_exception_raises_is_told_where_errors_take_no_notes(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Callback):
        def on_exception(self, error: BaseException, fit: FitInfo) -> None:
            raise KeyError("again")

    class OfPython310(ValueError):
        add_note = None  # type: ignore[assignment]

    words = "the callback Broken failed in on_exception: KeyError: 'again'"
    noted = ValueError("no")
    Callbacks([Broken()], FIT).exception(noted)
    assert getattr(noted, "__notes__", [words]) == [words]
    caplog.clear()
    Callbacks([Broken()], FIT).exception(OfPython310("no"))
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("candlewick", "WARNING", words)
    ]


def test_what_is_no_callback_is_refused() -> None:
    for wrong, named in ((Callback(), "a list"), ([Callback], "the class Callback"), ([3], "int"), (5, "a list")):
        with pytest.raises(TypeError, match=named):
            checked(wrong)  # type: ignore[arg-type]
    assert checked(None) == () and len(checked([Callback(), print])) == 2


def test_a_method_that_nobody_calls_is_told() -> None:
    class Mistyped(Callback):
        """Means on_epoch_end."""

        def on_epoch_ends(self, epoch: EpochRecord) -> None: ...

    with pytest.warns(UserWarning, match=r"^Mistyped.on_epoch_ends is never called: .*; did you mean on_epoch_end\?$"):
        checked([Mistyped()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked([Callback(), print])
