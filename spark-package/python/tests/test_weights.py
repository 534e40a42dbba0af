"""The reader of the safetensors format."""

import json

import numpy as np
import pytest

from candlewick._weights import parse_safetensors


def written(entries, payload, **metadata):
    header = json.dumps({**entries, **metadata}).encode()
    return len(header).to_bytes(8, "little") + header + payload


def test_reads_names_shapes_and_values():
    payload = np.arange(6, dtype="<f4").tobytes() + np.array([9.0], dtype="<f4").tobytes()
    data = written(
        {
            "0.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "0.bias": {"dtype": "F32", "shape": [1], "data_offsets": [24, 28]},
        },
        payload,
        __metadata__={"format": "pt"},
    )
    arrays = parse_safetensors(data)
    assert list(arrays) == ["0.weight", "0.bias"]
    assert arrays["0.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    arrays["0.bias"][0] = 1
    assert arrays["0.bias"].tolist() == [1]


def test_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="not a safetensors file"):
        parse_safetensors(b"\xff" * 9)
    with pytest.raises(ValueError, match="type BF16"):
        parse_safetensors(written({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"\0\0"))
