"""Reads and writes the safetensors format: eight bytes of length, a JSON header, the numbers."""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Union

import numpy as np

from candlewick.errors import InvalidParameterError

_TYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1"}
#: Weights within a parameter instead of in a file.
_INLINE = "base64:"
#: As many bytes tell what a file is: the length of the header and its first character.
_START = 9
#: Longest file that a parameter holds: MaxInline of Scala's InitialWeights, to which a test holds it.
MAX_INLINE = 1 << 30

#: A path; the bytes of a safetensors file; arrays or PyTorch tensors by name; a module of PyTorch; a model of Keras; a trained one.
WeightsLike = Union[str, "os.PathLike[str]", bytes, Mapping[str, Any], Any]


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


def received(write: Callable[[str], object]) -> bytes:
    """What the JVM writes into a file that it is given: through py4j, bytes come as text, a few MB a second."""
    from pyspark import SparkContext

    # Where PySpark and its JVM exchange files too.
    context = SparkContext._active_spark_context
    with tempfile.TemporaryDirectory(dir=getattr(context, "_temp_dir", None)) as folder:
        path = Path(folder) / "content"
        write(str(path))
        return path.read_bytes()


def to_safetensors(state: Mapping[str, Any]) -> bytes:
    """A safetensors file of arrays by name: NumPy arrays, or a PyTorch ``state_dict``. PyTorch is not imported.

    Example:
        >>> import candlewick, numpy
        >>> state = {"0.weight": numpy.eye(3), "0.bias": numpy.zeros(3)}
        >>> with open("weights.safetensors", "wb") as file:
        ...     size = file.write(candlewick.to_safetensors(state))

    Raises:
        TypeError: A value is not an array of floats; integers other than counters of batches are not weights.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts: list[bytes] = []
    at = 0
    for name, value in state.items():
        array = _array(str(name), value)
        part = array.tobytes()
        kind = "F32" if array.dtype.kind == "f" else "I64"
        header[str(name)] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        # NumPy has no bfloat16.
        value = (value.float() if value.is_floating_point() else value).numpy()
    array = np.asarray(value)
    # BatchNorm counts its batches.
    if array.dtype.kind in "iu" and name.rsplit(".", 1)[-1] == "num_batches_tracked":
        return np.ascontiguousarray(array, dtype="<i8").reshape(array.shape)
    if array.dtype.kind != "f":
        raise TypeError(f"'{name}' is {array.dtype}; weights must be floats")
    return np.ascontiguousarray(array, dtype="<f4").reshape(array.shape)


def check_inline(size: int) -> None:
    """Refuses a file that is too long for the parameter, in the words of the JVM.

    Raises:
        InvalidParameterError: It is.
    """
    if size > MAX_INLINE:
        raise InvalidParameterError(
            f"initialWeights: the file has {size} bytes, and a parameter holds at most {MAX_INLINE}: write it to a file "
            "system that Hadoop reads, and set its path"
        )


def _local_start(path: str) -> bytes:
    """The first bytes of a file that is on this machine; nothing of one that is elsewhere, which only Hadoop reads."""
    local = re.sub(r"^file:(//)?(?=/)", "", path)
    if path.startswith(_INLINE) or not os.path.isfile(local):
        return b""
    try:
        with open(local, "rb") as file:
            return file.read(_START)
    except OSError:
        return b""


def _refuse_torch(name: str, start: bytes) -> None:
    """Refuses a file by its first bytes, of which safetensors would only say that its header is too large.

    Raises:
        InvalidParameterError: It is a zip or a pickle, as torch.save writes them.
    """
    # The length of a safetensors header may look like it, but then the header follows.
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) and start[8:] != b"{":
        raise InvalidParameterError(
            f"initialWeights: {name} looks like a file of torch.save (a zip, or a pickle), and must be a safetensors file: pass "
            "torch.load(path), or write it with safetensors"
        )


def to_weights(value: Any) -> str:
    """What the parameter initialWeights holds: a path, or the file itself as text.

    Raises:
        InvalidParameterError: The file is too long for a parameter, or one of torch.save.
        TypeError: It is nothing that holds weights.
    """
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        _refuse_torch(path, _local_start(path))
        return path
    from candlewick._keras import is_keras, keras_state

    if is_keras(value):
        value = keras_state(value)
    if hasattr(value, "named_children") and hasattr(value, "state_dict"):
        # A module of PyTorch: its weights by the names that nn.from_torch gives them.
        from candlewick._torch import torch_state

        value = torch_state(value)
    if isinstance(value, Mapping):
        value = to_safetensors(value)
    elif hasattr(value, "_initial_text"):
        return str(value._initial_text())
    if isinstance(value, (bytes, bytearray, memoryview)):
        check_inline(memoryview(value).nbytes)
        _refuse_torch("the file", bytes(memoryview(value)[:_START]))
        return _INLINE + base64.b64encode(value).decode()
    raise TypeError(
        f"initialWeights must be a path, the bytes of a safetensors file, a state_dict, a module of PyTorch, a model of "
        f"Keras or one of ours, not "
        f"{type(value).__name__}"
    )
