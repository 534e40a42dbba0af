# Written by candlewick-codegen (`make generate`); do not edit.
"""Layers of shape."""

from __future__ import annotations

from candlewick._document import Module


class Flatten(Module):
    """Merges dimensions into one. The batch dimension stays.

    Args:
        start_dim: First dimension to flatten; 0 is the batch. (whole number from -64 to 64)
        end_dim: Last dimension to flatten; -1 is the last. (whole number from -64 to 64)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__({"start_dim": start_dim, "end_dim": end_dim})


__all__ = [
    "Flatten",
]
