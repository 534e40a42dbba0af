"""Reads the safetensors format: eight bytes of length, a JSON header, the numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

_TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def parse_safetensors(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a safetensors file, by name, as copies that may be changed.

    Raises:
        ValueError: The bytes are not a safetensors file.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise ValueError(f"not a safetensors file: {len(data)} bytes, header of {size}")
    header = json.loads(data[8 : 8 + size])
    numbers = memoryview(data)[8 + size :]
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in _TYPES:
            raise ValueError(f"tensor '{name}' has type {entry['dtype']}; known are {', '.join(_TYPES)}")
        start, end = entry["data_offsets"]
        array = np.frombuffer(numbers[start:end], dtype=_TYPES[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"]).copy()
    return arrays
