"""The graph builder: names, order, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from candlewick import _weights, nn, optim, tabular, to_safetensors
from candlewick._document import to_network
from candlewick._weights import parse_safetensors, to_weights
from candlewick.errors import InvalidParameterError


def test_a_graph_is_its_document() -> None:
    user, item = nn.Input("user", shape=[8]), nn.Input("item", shape=4)
    hidden = nn.ReLU()(nn.Linear(16)(nn.Concat()([user, item])))
    net = nn.Graph(inputs=[user, item], outputs={"score": nn.Linear(1)(hidden)})
    assert net.to_dict() == {
        "format": "candlewick.network/1",
        "inputs": [{"name": "user", "shape": [8]}, {"name": "item", "shape": [4]}],
        "nodes": [
            {"name": "concat_1", "inputs": ["user", "item"], "layer": {"type": "Concat", "dim": -1}},
            {
                "name": "linear_1",
                "inputs": ["concat_1"],
                "layer": {"type": "Linear", "out_features": 16, "bias": True},
            },
            {"name": "relu_1", "inputs": ["linear_1"], "layer": {"type": "ReLU"}},
            {"name": "score", "inputs": ["relu_1"], "layer": {"type": "Linear", "out_features": 1, "bias": True}},
        ],
        "outputs": ["score"],
    }
    assert '"score"' in to_network(net)
    assert repr(net) == (
        "Graph(\n"
        "  (user): Input(shape=[8])\n"
        "  (item): Input(shape=[4])\n"
        "  (concat_1): Concat(dim=-1)(user, item)\n"
        "  (linear_1): Linear(out_features=16, bias=True)(concat_1)\n"
        "  (relu_1): ReLU()(linear_1)\n"
        "  (score): Linear(out_features=1, bias=True)(relu_1)\n"
        ") -> score"
    )


def test_a_layer_that_is_called_again_shares_its_weights() -> None:
    left, right = nn.Input("left", [4]), nn.Input("right", [4])
    tower = nn.Sequential(nn.Linear(3), nn.Tanh())
    net = nn.Graph([left, right], {"score": nn.Linear(1)(nn.Multiply()(tower(left, name="tower"), tower(right)))})
    nodes = {node["name"]: node for node in net.to_dict()["nodes"]}
    assert "layer" in nodes["tower"] and "shares" not in nodes["tower"]
    assert nodes["sequential_1"] == {"name": "sequential_1", "inputs": ["right"], "shares": "tower"}
    assert "(sequential_1): tower again(right)" in repr(net)


def test_an_output_of_another_name_is_a_node_of_its_own() -> None:
    x = nn.Input("x", [2])
    h = nn.Linear(3)(x, name="code")
    document = nn.Graph(x, {"a": h, "b": h, "same": x}).to_dict()
    assert document["outputs"] == ["a", "b", "same"]
    assert [(node["name"], node["inputs"], node["layer"]["type"]) for node in document["nodes"]] == [
        ("code", ["x"], "Linear"),
        ("a", ["code"], "Add"),
        ("b", ["code"], "Add"),
        ("same", ["x"], "Add"),
    ]
    assert nn.Graph(x, h).to_dict()["outputs"] == ["code"]


def test_generated_names_make_way() -> None:
    x = nn.Input("linear_1", [2])
    document = nn.Graph(x, [nn.Linear(1)(x), nn.Linear(2)(x)]).to_dict()
    assert document["outputs"] == ["linear_2", "linear_3"]


def chain(x: Any) -> Any:
    return nn.Linear(1)(x)


def test_misuse_is_refused() -> None:
    x, y = nn.Input("x"), nn.Input("y")
    with pytest.raises(TypeError, match="Linear is called with 3 of type int"):
        nn.Linear(1)(3)
    with pytest.raises(TypeError, match="call that layer first"):
        nn.Linear(1)(nn.ReLU())
    with pytest.raises(TypeError, match="without a tensor"):
        nn.Linear(1)()
    with pytest.raises(TypeError, match=r"nn.Concat\(\)\(a, b\)"):
        nn.Concat(x, y)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"input 'y', which is not listed in inputs$"):
        nn.Graph([x], {"out": nn.Add()(x, y)})
    with pytest.raises(ValueError, match=r"not listed in inputs; the one of that name there is another nn\.Input"):
        nn.Graph([x, nn.Input("y")], {"out": nn.Add()(x, y)})
    with pytest.raises(ValueError, match="no output needs the input 'y'"):
        nn.Graph([x, y], {"out": chain(x)})
    with pytest.raises(ValueError, match="the name 'x' is given twice"):
        nn.Graph([x], {"out": nn.Linear(1)(x, name="x")})
    with pytest.raises(ValueError, match="the name 'h' is given twice"):
        nn.Graph([x], {"h": nn.Linear(1)(nn.Linear(2)(x, name="h"))})
    with pytest.raises(TypeError, match="inputs must be a list of"):
        nn.Graph([chain(x)], {"out": chain(x)})  # type: ignore[list-item]
    with pytest.raises(TypeError, match="output 'out' is ReLU"):
        nn.Graph([x], {"out": nn.ReLU()})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="outputs is empty"):
        nn.Graph([x], {})
    with pytest.raises(ValueError, match="without dots"):
        nn.Input("a.b")
    with pytest.raises(ValueError, match="at least 1"):
        nn.Input("a", [0])


def test_containers_take_layers_one_by_one() -> None:
    residual = nn.Residual(nn.Linear(4), nn.ReLU())
    assert residual.layer()["layers"][1] == {"type": "ReLU"} and len(residual) == 2
    assert nn.Concat(nn.Linear(1), nn.ReLU(), dim=1).layer()["dim"] == 1
    assert "layers" not in nn.Add().layer()
    assert nn.Sequential(residual).to_dict()["layers"] == [residual.layer()]
    assert repr(nn.Concat(nn.ReLU(), dim=1)) == "Concat(\n  (0): ReLU()\n  dim=1\n)"
    assert hasattr(optim.lr_scheduler, "LRScheduler")


def test_safetensors_there_and_back() -> None:
    class Tensor:
        """What a tensor of PyTorch has."""

        def __init__(self, values: Any) -> None:
            self._values = np.asarray(values)

        def detach(self) -> Tensor:
            return self

        cpu = float = detach

        def is_floating_point(self) -> bool:
            return self._values.dtype.kind == "f"

        def numpy(self) -> Any:
            return self._values

    state = {"w": np.arange(6.0).reshape(2, 3).T, "b": Tensor([1.5]), "bn.num_batches_tracked": Tensor(7)}
    arrays = parse_safetensors(to_safetensors(state))
    assert list(arrays) == ["w", "b", "bn.num_batches_tracked"]
    assert arrays["bn.num_batches_tracked"] == 7 and arrays["bn.num_batches_tracked"].dtype == np.int64
    assert arrays["w"].tolist() == [[0, 3], [1, 4], [2, 5]] and arrays["b"].dtype == np.float32
    assert to_weights("s3a://a/b") == "s3a://a/b"
    assert to_weights(b"abc") == "base64:YWJj"
    with pytest.raises(TypeError, match="'n' is int64"):
        to_safetensors({"n": np.arange(2)})
    with pytest.raises(TypeError, match="not int"):
        to_weights(3)


def test_weights_that_are_too_long_for_a_parameter_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"w": np.zeros(2, dtype=np.float32)}
    file = to_safetensors(state)
    values: list[Any] = [file, bytearray(file), memoryview(file).cast("B", (len(file) // 8, 8)), state]
    monkeypatch.setattr(_weights, "MAX_INLINE", len(file))
    assert {to_weights(value) for value in values} == {to_weights(file)}
    monkeypatch.setattr(_weights, "MAX_INLINE", len(file) - 1)
    monkeypatch.setattr(base64, "b64encode", lambda _: pytest.fail("it is encoded"))
    for value in values:
        with pytest.raises(InvalidParameterError, match=f"the file has {len(file)} bytes.*set its path") as caught:
            to_weights(value)
        assert f"holds at most {len(file) - 1}:" in str(caught.value)


def test_a_decoder_has_masks_in_the_order_that_it_takes_them() -> None:
    words, code = nn.Input("words", [4]), nn.Input("code", [4, 6])
    padding = nn.Eq(0)(words, name="padding")
    other = nn.Eq(1)(words, name="other")
    layer = nn.TransformerDecoderLayer(6, 2)

    def inputs(**masks: Any) -> Any:
        return nn.Graph([words, code], {"out": layer(code, code, **masks)}).to_dict()["nodes"][-1]["inputs"]

    assert inputs(memory_key_padding_mask=padding) == ["code", "code", "padding"]
    both = {"memory_key_padding_mask": padding, "tgt_key_padding_mask": other}
    assert inputs(**both) == ["code", "code", "other", "padding"]
    with pytest.raises(TypeError, match="takes tgt_key_padding_mask together with memory_key_padding_mask"):
        layer(code, code, tgt_key_padding_mask=other)
    with pytest.raises(TypeError, match="its mask is tgt_key_padding_mask or memory_key_padding_mask"):
        layer(code, code, padding_mask=other)


def test_shapes_of_numpy_and_names_that_are_no_texts() -> None:
    assert nn.Input("x", np.int64(4)).shape == [4]
    assert nn.Input("x", [np.int32(2), 3]).shape == [2, 3] and nn.Input("x", np.array([2, 3])).shape == [2, 3]
    for wrong in (True, 2.5, [2.5], [True], [0], [], None):
        with pytest.raises(ValueError, match="whole numbers of at least 1"):
            nn.Input("x", wrong)  # type: ignore[arg-type]
    value = nn.Input("x", 4)
    with pytest.raises(ValueError, match="5 cannot be the name of a node"):
        nn.Linear(1)(value, name=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 cannot be the name of a node"):
        nn.Graph(value, {1: nn.Linear(1)(value)})  # type: ignore[dict-item]


def test_a_document_that_lacks_a_part_says_which() -> None:
    value = nn.Input("x", 4)
    whole = nn.Graph(value, {"y": nn.Linear(1)(value)}).to_dict()
    for name, place in [("inputs", "the network"), ("outputs", "the network")]:
        with pytest.raises(InvalidParameterError, match=f'{place}: "{name}" must be a list, got none'):
            nn.from_json({key: one for key, one in whole.items() if key != name})
    for change, told in [
        ({"nodes": [{"inputs": ["x"]}]}, 'nodes.0: "name" must be a text, got none'),
        ({"nodes": [{"name": "y"}]}, r'nodes.0 \(y\): "inputs" must be a list, got none'),
        ({"inputs": [{"name": "x"}]}, 'inputs.0: "shape" must be a list, got none'),
        ({"inputs": [{"name": "x", "shape": [0]}]}, "inputs: .* whole numbers of at least 1"),
        ({"inputs": 3}, 'the network: "inputs" must be a list, got 3'),
    ]:
        with pytest.raises(InvalidParameterError, match=told):
            nn.from_json({**whole, **change})
    listed = {"format": whole["format"], "layers": [{"type": "Sequential", "layers": 3}]}
    with pytest.raises(InvalidParameterError, match=r'layers.0: "layers" must be a list, got 3'):
        nn.from_json(listed)


def test_a_table_is_a_graph_over_its_columns() -> None:
    table = tabular(["age"], categorical={"city": 1200, "plan": 5}, embedding_dim={"plan": 3})
    document = table.head(nn.Linear(8), nn.ReLU(), nn.Linear(2)).to_dict()
    assert document["inputs"] == [{"name": name, "shape": [1]} for name in ("age", "city", "plan")]
    assert [node["name"] for node in document["nodes"]] == [
        "city_embedding",
        "flatten_1",
        "plan_embedding",
        "flatten_2",
        "concat_1",
        "linear_1",
        "relu_1",
        "out",
    ]
    assert document["nodes"][4]["inputs"] == ["age", "flatten_1", "flatten_2"] and document["outputs"] == ["out"]
    # By fastai's rule, and as asked for.
    assert [document["nodes"][at]["layer"]["embedding_dim"] for at in (0, 2)] == [85, 3]
    alone = tabular(np.array(["age"]), widths={"age": 6}).head(nn.Linear(1)).to_dict()
    assert alone["nodes"][0]["inputs"] == ["age"] and alone["inputs"] == [{"name": "age", "shape": [6]}]
    # Names that columns have already are made longer.
    taken = tabular(["out", "city_embedding"], {"city": 3}).head(nn.Linear(1)).to_dict()
    assert taken["outputs"] == ["out_"] and taken["nodes"][0]["name"] == "city_embedding_"
    with pytest.raises(TypeError, match="head takes layers one by one"):
        tabular(["age"]).head([nn.Linear(2)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("age",), TypeError, r"numeric must be a list of columns, such as \['age'\]"),
        ((), ValueError, "at least one column"),
        ((["age"], {"city": 3}, {"plan": 2}), ValueError, "embedding_dim names 'plan'"),
        (([], {"city": 0}), InvalidParameterError, "num_embeddings = 0 is not legal"),
        (([], {"city": "three"}), InvalidParameterError, 'num_embeddings = "three" is not legal'),
        (([], {"city": 3}, {"city": 0}), InvalidParameterError, "embedding_dim = 0 is not legal"),
        ((["a.b"],), ValueError, "'a.b' cannot be the name of a node: .*; rename the column before"),
        (([], ["city"]), TypeError, 'categorical must be a number for each column, such as {"city": 12}, not'),
        (([], {"city": 3}, 4), TypeError, "embedding_dim must be a number for each column"),
        ((["age"], None, None, {"size": 2}), ValueError, "widths names 'size', which is not among the numeric columns"),
        ((["age"], None, None, {"age": 0}), ValueError, "shape must be a list of whole numbers of at least 1"),
    ],
)
def test_a_table_that_is_none_is_refused(arguments: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        tabular(*arguments)
    with pytest.raises(ValueError, match="head needs at least one layer"):
        tabular(["age"]).head()
