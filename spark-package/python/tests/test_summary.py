"""What a summary shows of a fit: as a dictionary, a table of pandas, a picture, a line and a page. No JVM."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import candlewick
from candlewick import TrainingSummary

RECORDS: list[dict[str, Any]] = [
    {"epoch": 0, "step": 2, "loss": 0.5, "lr": 0.1, "rows": 9, "seconds": 0.2, "accuracy": 0.6, "val_loss": 0.4},
    {"epoch": 1, "step": 4, "loss": 0.25, "lr": 0.1, "rows": 9, "seconds": 0.1, "accuracy": 0.7, "val_loss": 0.3},
    {"epoch": 2, "step": 6, "loss": 0.125, "lr": 0.1, "rows": 9, "seconds": 0.1, "accuracy": 0.9, "val_loss": 0.35},
]
DOCUMENT: dict[str, Any] = {
    "history": [
        {**record, "val_roc_auc": None if at == 0 else 0.9, "val_confusion_matrix": [[1, 0], [0, 1]]}
        for at, record in enumerate(RECORDS)
    ],
    "objectiveHistory": [0.5, 0.25, 0.125],
    "totalSteps": 6,
    "ledger": {},
    "weightsHash": "00ff",
    "logicalShards": 8,
    "numTrainers": 2,
    "phases": {"launch": 0.1, "feed": 0.2, "train": 0.3, "total": 0.6},
    "recoveryLog": [],
    "rescaleLog": [],
    "stragglerLog": [],
    "rowsPerSecond": 10.0,
    "ofALaterVersion": 1,
}


@pytest.fixture
def summary() -> TrainingSummary:
    return TrainingSummary.from_json(json.dumps(DOCUMENT))


def plain(*records: dict[str, Any]) -> TrainingSummary:
    return TrainingSummary.from_json(json.dumps({**DOCUMENT, "history": records}))


def test_it_is_read_from_the_jvms_document(summary: TrainingSummary) -> None:
    assert summary.totalSteps == 6
    assert summary.history[1]["loss"] == 0.25


def test_history_dict_has_a_list_for_every_name(summary: TrainingSummary) -> None:
    found = summary.history_dict
    assert found["loss"] == summary.objectiveHistory
    assert found["val_loss"] == [0.4, 0.3, 0.35]
    assert found["val_roc_auc"] == [None, 0.9, 0.9]
    assert "epoch" not in found
    # What only some epochs have.
    assert plain({"epoch": 0, "loss": 1.0}, {"epoch": 1, "loss": 2.0, "mae": 3.0}).history_dict["mae"] == [None, 3.0]
    assert plain().history_dict == {}


def test_to_pandas_has_a_row_for_every_epoch(summary: TrainingSummary) -> None:
    frame = summary.to_pandas()
    assert (frame.index.name, frame.index.tolist()) == ("epoch", [0, 1, 2])
    assert frame["val_loss"].idxmin() == 1
    assert frame["val_roc_auc"].isna().tolist() == [True, False, False]
    assert frame["val_confusion_matrix"][2] == [[1, 0], [0, 1]]
    assert len(plain().to_pandas()) == 0


def test_memory_says_what_the_largest_trainer_needed(summary: TrainingSummary) -> None:
    assert summary.memory == [] and "memory" not in repr(summary)
    used = [
        {"trainer": "a", "host": "h", "limit": 0, "accounts": {"rows": 900, "weights": 100}, "spilledBytes": 0},
        {"trainer": "b", "host": "h", "limit": 3 << 30, "accounts": {"rows": 5 << 20, "weights": 0}, "spilledBytes": 7},
    ]
    told = TrainingSummary.from_json(json.dumps({**DOCUMENT, "memory": used}))
    assert told.memory == used
    assert "memory=5.0 MiB of 3.0 GiB" in repr(told)
    assert "memory=1000 B" in repr(replace(told, memory=used[:1]))


def test_exchange_is_what_the_trainers_said(summary: TrainingSummary) -> None:
    assert summary.exchange is None
    exchange = {"algorithm": "two-level", "reason": "expected to take 0.510 ms", "exchanges": 6}
    told = TrainingSummary.from_json(json.dumps({**DOCUMENT, "exchange": exchange}))
    assert told.exchange == exchange


def labels(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_plot_draws_losses_and_metrics_and_marks_the_best_epoch(summary: TrainingSummary) -> None:
    losses, metrics = summary.plot().axes
    assert labels(losses) == ["loss", "val_loss", "best epoch: 1 (least val_loss)"]
    assert labels(metrics) == ["accuracy", "val_roc_auc", "best epoch: 1 (least val_loss)"]
    assert list(losses.lines[0].get_ydata()) == [0.5, 0.25, 0.125]
    assert list(losses.lines[1].get_ydata()) == [0.4, 0.3, 0.35]
    assert list(losses.lines[2].get_xdata()) == [1, 1]
    stopped = replace(summary, bestEpoch=2, bestValue=0.9, stoppedEarly=True)
    assert labels(stopped.plot().axes[0])[-1] == "best epoch: 2 (early stopping)"


def test_plot_of_a_loss_alone_has_one_panel_and_no_mark() -> None:
    beside = {"exchangeHidden": 0.5, "stalenessMean": 1.5, "stalenessMax": 3.0}
    (axes,) = plain({"epoch": 0, "loss": 1.0, **beside}, {"epoch": 1, "loss": 0.5, **beside}).plot().axes
    assert labels(axes) == ["loss"]


def test_a_notebook_gets_the_plot_as_a_picture_without_pyplot(summary: TrainingSummary) -> None:
    figure: Any = summary.plot()
    assert figure._repr_png_()[:4] == b"\x89PNG"


@pytest.mark.parametrize(("name", "start"), [("loss.png", b"\x89PNG"), ("loss.svg", b"<?xml"), ("loss.pdf", b"%PDF")])
def test_save_plot_writes_what_the_name_says(summary: TrainingSummary, tmp_path: Path, name: str, start: bytes) -> None:
    summary.save_plot(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("module", "call", "words"),
    [
        ("matplotlib", "plot()", "plot and save_plot need matplotlib: pip install matplotlib"),
        ("pandas", "to_pandas()", "to_pandas needs pandas: pip install pandas"),
    ],
)
def test_what_is_missing_is_named(module: str, call: str, words: str) -> None:
    # In a process of its own: pyspark and matplotlib are imported here already.
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from candlewick import TrainingSummary\n"
        f"TrainingSummary([], [], 0, {{}}, '', 8, 1, {{}}).{call}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(candlewick.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert words in ended.stderr.splitlines()[-1] and ended.stderr.splitlines()[-1].startswith("ImportError")


def test_repr_is_one_line(summary: TrainingSummary) -> None:
    assert repr(summary) == (
        "TrainingSummary(epochs=3, totalSteps=6, numTrainers=2, seconds=0.6, loss=0.125, val_loss=0.35)"
    )
    stopped = replace(summary, bestEpoch=1, stoppedEarly=True, recoveryLog=[{"generation": 2}])
    assert repr(stopped).endswith("bestEpoch=1, stoppedEarly=True, recoveries=1)")


def test_the_page_has_the_first_and_last_epochs(summary: TrainingSummary) -> None:
    page = summary._repr_html_()
    assert re.findall("<th [^>]*>([^<]*)<", page)[:5] == ["epoch", "loss", "val_loss", "accuracy", "val_roc_auc"]
    assert ">0.35</td>" in page and "confusion" not in page
    many = plain(*({"epoch": at, "loss": 1.0 / (at + 1)} for at in range(100)))._repr_html_()
    assert all(f">{at}</td>" in many for at in (0, 1, 2, 95, 99))
    assert ">50</td>" not in many and "…" in many
    assert "<script>" not in plain({"epoch": 0, "<script>": 1.0})._repr_html_()
