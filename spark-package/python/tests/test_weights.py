"""The reader of the safetensors format."""

import json
import pickle

import numpy as np
import pytest

from candlewick import to_safetensors
from candlewick._weights import parse_safetensors, to_weights
from candlewick.errors import InvalidParameterError


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


#: How files of torch.save begin: a zip, and the pickle that it was before; that of a plain pickle is like it.
OF_TORCH = [
    b"PK\x03\x04\0\0\x08\x08\0\0data",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    pickle.dumps({"0.weight": [1.0]}),
]


@pytest.mark.parametrize("content", OF_TORCH)
def test_a_file_of_torch_save_is_told_what_to_do(tmp_path, content):
    path = tmp_path / "sd.pt"
    path.write_bytes(content)
    for value in (path, str(path), path.as_uri(), f"file:{path}"):
        with pytest.raises(
            InvalidParameterError, match=r"^initialWeights: .*sd\.pt looks like a file of torch\.save"
        ) as told:
            to_weights(value)
    assert "pass torch.load(path), or write it with safetensors" in str(told.value)
    for value in (content, bytearray(content), memoryview(content)):
        with pytest.raises(InvalidParameterError, match=r"^initialWeights: the file looks like a file of torch\.save"):
            to_weights(value)


def test_what_is_not_here_is_left_to_the_jvm(tmp_path):
    there = [str(tmp_path / "none.pt"), str(tmp_path), "hdfs://host/sd.pt", "s3a://bucket/sd.pt", "model-name:x"]
    assert [to_weights(path) for path in there] == there


def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path):
    # 640 bytes of header are the two that a pickle begins with.
    for length in range(500, 800):
        data = to_safetensors({"x" * length: np.zeros(1)})
        if data[:2] == b"\x80\x02":
            break
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    assert data[:2] == b"\x80\x02" and to_weights(path) == str(path) and to_weights(data)
