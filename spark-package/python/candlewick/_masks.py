"""Masks of padding, which layers over sequences take behind their inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

#: What the masks of a layer are called, in their order. The last may be given alone.
_MASKS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("RNN", "LSTM", "GRU"), ("padding_mask",)),
    "MultiheadAttention": ("key_padding_mask",),
    **dict.fromkeys(("TransformerEncoder", "TransformerEncoderLayer"), ("src_key_padding_mask",)),
    "TransformerDecoderLayer": ("tgt_key_padding_mask", "memory_key_padding_mask"),
}


def in_order(kind: str, given: Mapping[str, T]) -> list[T]:
    """The masks that a layer is called with, as it takes them.

    Args:
        kind: The layer's type.
        given: The masks by their names.

    Raises:
        TypeError: It does not take such a mask, or not without another.
    """
    wanted = _MASKS.get(kind, ())
    for name in given:
        if name not in wanted:
            hint = f"; its mask is {' or '.join(wanted)}" if wanted else ""
            raise TypeError(f"{kind} is called with {name!r}, which it does not take{hint}")
    if given and wanted[-1] not in given:
        raise TypeError(f"{kind} takes {wanted[0]} together with {wanted[-1]}; give both, or {wanted[-1]} alone")
    return [given[name] for name in wanted if name in given]
