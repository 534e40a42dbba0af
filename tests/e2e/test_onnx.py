"""ONNX files against ONNX Runtime: every golden network of the engine, and a trained model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from pyspark.sql import SparkSession

from candlewick import NeuralClassifier, NeuralEstimator, nn
from candlewick.errors import InvalidParameterError, translated

from .support import blobs, classifier

GOLDEN = Path(__file__).parents[2] / "model" / "tests" / "golden"


def refused(network: dict[str, Any]) -> bool:
    """Whether ONNX has no counterpart: an LSTM with a projection, a recurrent layer with a mask of padding."""
    masked = (
        len(node["inputs"]) > 1 and node.get("layer", {}).get("type") in ("RNN", "LSTM", "GRU")
        for node in network.get("nodes", [])
    )
    return '"proj_size"' in json.dumps(network) or any(masked)


def cases(*, without: bool) -> list[Any]:
    """The networks of the golden files that hold outputs in evaluation mode: those without a counterpart, or the others."""
    found = []
    for file in sorted(GOLDEN.glob("*.json")):
        content = json.loads(file.read_text()).get("content")
        for case in content if isinstance(content, list) else []:
            if "evaluated" in case and without == refused(case["network"]):
                found.append(pytest.param(case, id=f"{file.stem}: {case['name']}"))
    return found


def safetensors(case: dict[str, Any]) -> bytes:
    """The case's parameters as a file."""
    header: dict[str, Any] = {}
    body = b""
    for name, shape in case["shapes"].items():
        dtype, kind = ("I64", np.int64) if name.endswith("num_batches_tracked") else ("F32", np.float32)
        data = np.asarray(case["parameters"][name], dtype=kind).tobytes()
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def feeds(session: onnxruntime.InferenceSession, features: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The rows of features cut into the inputs of a file."""
    given, start = {}, 0
    for value in session.get_inputs():
        shape = value.shape[1:]
        size = int(np.prod(shape))
        given[value.name] = features[:, start : start + size].reshape(-1, *shape)
        start += size
    return given


def outputs(file: bytes, features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    results = session.run(None, feeds(session, features))
    return np.concatenate([result.reshape(len(features), -1) for result in results], axis=1)


def exported(session: SparkSession, case: dict[str, Any]) -> bytes:
    jvm: Any = session.sparkContext._jvm
    request = json.dumps({"network": case["network"], "inputShape": case["inputShape"]})
    with translated():
        return bytes(jvm.candlewick.jni.Native.exportOnnx(request, [safetensors(case)]))


@pytest.mark.parametrize("case", cases(without=True))
def test_what_onnx_does_not_have_is_named(local2: SparkSession, case: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidParameterError, match=r"(with a proj_size|with a padding mask) has no counterpart in ONNX"
    ):
        exported(local2, case)


@pytest.mark.parametrize("case", cases(without=False))
def test_golden_networks(local2: SparkSession, case: dict[str, Any]) -> None:
    file = exported(local2, case)
    rows = len(case["weights"])
    features = np.asarray(case["features"], dtype=np.float32).reshape(rows, -1)
    wanted = np.asarray(case["evaluated"]).reshape(rows, -1)
    got = outputs(file, features)
    assert np.abs(got - wanted).max() <= 2e-5 * max(1e-3, np.abs(wanted).max())
    assert np.array_equal(outputs(file, features[:2]).shape, wanted[:2].shape), "any number of rows"


@pytest.mark.parametrize("causal", [False, True])
def test_a_query_that_sees_padding_only_has_no_shares(local2: SparkSession, causal: bool) -> None:
    words = nn.Input("words", 4)
    seen = nn.Embedding(9, 8)(words)
    mixed = nn.MultiheadAttention(num_heads=2, is_causal=causal)(seen, nn.Eq(0)(words))
    graph = nn.Graph(words, {"y": nn.Linear(3)(nn.Flatten()(mixed))})
    texts = [[0, 0, 0, 0], [0, 0, 3, 4], [5, 0, 6, 0], [1, 2, 3, 4]]
    data = local2.createDataFrame([([float(word) for word in text], 0.0) for text in texts], ["words", "label"])
    model = NeuralClassifier(network=graph, featuresCol="words", epochs=0, verbose=False).fit(data)
    wanted = np.asarray([row.rawPrediction for row in model.transform(data).collect()])
    got = outputs(model.toOnnx(), np.asarray(texts, dtype=np.float32))
    assert np.abs(got - wanted).max() < 1e-5


def test_every_layer_is_in_a_golden_network() -> None:
    found = re.findall(r'"type": "(\w+)"', json.dumps([case.values for case in cases(without=False)]))
    catalogue = re.findall(r"(?m)^### (\w+)$", (GOLDEN.parents[2] / "docs" / "layers.md").read_text())
    # PyTorch has no Eq: that of a test above is in a mask. What Dropout2d drops is random.
    assert set(catalogue) - set(found) == {"Eq", "Dropout2d"}


def test_a_trained_model(local2: SparkSession) -> None:
    data = blobs(local2)
    model = classifier(network=nn.Sequential(nn.Linear(8), nn.GELU(), nn.Linear(3)), epochs=1).fit(data)
    scored = model.transform(data).select("features", "rawPrediction").limit(20).collect()
    features = np.asarray([row.features for row in scored], dtype=np.float32)
    wanted = np.asarray([row.rawPrediction for row in scored])
    assert np.abs(outputs(model.toOnnx(), features) - wanted).max() < 1e-5


def test_the_file_takes_what_transform_takes_and_scales_it_as_that_does(local2: SparkSession) -> None:
    data = blobs(local2)
    model = classifier(network=nn.Sequential(nn.Linear(8), nn.GELU(), nn.Linear(3)), epochs=1, scale=0.25).fit(data)
    scored = model.transform(data).select("features", "rawPrediction").limit(20).collect()
    features = np.asarray([row.features for row in scored], dtype=np.float32)
    wanted = np.asarray([row.rawPrediction for row in scored])
    assert np.abs(outputs(model.toOnnx(), features) - wanted).max() < 1e-5
    # What is set counts, as in transform.
    model.setScale(3.0)
    at_once = model.toOnnx()
    again = np.asarray([row.rawPrediction for row in model.transform(data).limit(20).collect()])
    assert np.abs(again - wanted).max() > 1e-2, "the scale matters"
    assert np.abs(outputs(model.toOnnx(), features) - again).max() < 1e-5
    assert at_once == model.toOnnx()


def test_every_input_of_a_graph_is_scaled_in_f64(local2: SparkSession) -> None:
    left, right = nn.Input("left", 2), nn.Input("right", 1)
    both = nn.Concat()(left, right)
    graph = nn.Graph([left, right], {"both": both, "sum": nn.Linear(1)(both)})
    random = np.random.default_rng(1).normal(size=(64, 3)) * 255
    features = random.astype(np.float32)
    rows = [([float(row[0]), float(row[1])], float(row[2]), [0.0, 0.0, 0.0], 0.0) for row in features]
    data = local2.createDataFrame(rows, ["left", "right", "zeros", "zero"])
    model = NeuralEstimator(
        network=graph,
        featuresCols=["left", "right"],
        labelCols=["zeros", "zero"],
        loss={"both": nn.LossTerm(nn.MSELoss(), label="zeros"), "sum": nn.LossTerm(nn.MSELoss(), label="zero")},
        scale=1 / 255,
        epochs=0,
        verbose=False,
    ).fit(data)
    wanted = np.asarray([row.prediction_both for row in model.transform(data).collect()], dtype=np.float32)
    assert not np.array_equal(wanted, features * np.float32(1 / 255)), "f32 alone would have other bits"
    session = onnxruntime.InferenceSession(model.toOnnx(), providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(["both"], feeds(session, features))[0], wanted)
