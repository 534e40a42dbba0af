"""The curves of a training run as a figure of matplotlib, which is imported here and nowhere else."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

#: Inches of one panel.
_SIZE = (6.4, 3.8)


class Curves(Figure):
    """A figure that notebooks show by themselves, whether pyplot was imported or not."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=100)
        return out.getvalue()


def curves(history: Mapping[str, Sequence[Any]], metrics: Sequence[str], best: tuple[int, str] | None) -> Curves:
    """Draws losses, and beside them metrics where there are any.

    Args:
        history: Values of every epoch by name.
        metrics: Names of the metrics, without "val_".
        best: The epoch that is marked, and what for.
    """
    width, height = _SIZE
    figure = Curves(figsize=(width * (2 if metrics else 1), height), layout="constrained")
    panels = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
    _panel(panels[0], history, ["loss"], "loss")
    if metrics:
        _panel(panels[1], history, metrics, metrics[0] if len(metrics) == 1 else "metrics")
    for axes in panels:
        if best is not None:
            epoch, what = best
            axes.axvline(epoch, color="gray", linestyle=":", label=f"best epoch: {epoch} ({what})")
        axes.legend()
    return figure


def _panel(axes: Any, history: Mapping[str, Sequence[Any]], names: Sequence[str], label: str) -> None:
    for name in names:
        line = None
        if name in history:
            (line,) = axes.plot(_numbers(history[name]), marker=".", label=name)
        if f"val_{name}" in history:
            # The same colour for training and validation, so that the two belong together.
            color = line.get_color() if line else None
            axes.plot(_numbers(history[f"val_{name}"]), marker=".", linestyle="--", color=color, label=f"val_{name}")
    axes.set_xlabel("epoch, from 0")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, alpha=0.3)


def _numbers(values: Sequence[Any]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
