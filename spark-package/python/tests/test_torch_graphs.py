"""nn.from_torch of modules with a forward of their own, whose calls golden/torch_graphs.json has."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from recorded_torch import GRAPHS, network, refused

from candlewick import nn
from candlewick._torch import forward, torch_state
from candlewick._torch.trace import Call, Ref
from candlewick._weights import to_weights
from candlewick.errors import InvalidParameterError


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "trace", lambda module: module.calls)


def names(net: Any) -> list[str]:
    return [node["name"] for node in net.to_dict()["nodes"]]


def test_the_tutorials_network_is_a_chain() -> None:
    net = network("Net")
    assert nn.from_torch(net) == nn.Sequential(
        nn.Conv2d(1, 4, kernel_size=[5, 5], stride=[1, 1], padding=[0, 0], dilation=[1, 1]),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(4, 6, kernel_size=[3, 3], stride=[1, 1], padding=[0, 0], dilation=[1, 1]),
        nn.Dropout2d(0.5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 10),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(10, 3),
        nn.LogSoftmax(dim=1),
    )
    assert list(torch_state(net)) == [f"{at}.{kind}" for at in (0, 3, 8, 11) for kind in ("weight", "bias")]
    assert np.array_equal(torch_state(net)["8.bias"], GRAPHS["networks"]["Net"]["state"]["fc1.bias"][1])
    assert to_weights(net) == to_weights(torch_state(net))


def test_a_chain_with_an_input_is_a_graph_whose_weights_have_the_same_names() -> None:
    net = network("Net")
    read = nn.from_torch(net, inputs=nn.Input("image", [1, 16, 16]))
    assert read.to_dict()["inputs"] == [{"name": "image", "shape": [1, 16, 16]}]
    assert names(read) == [str(at) for at in range(13)]
    known = {name.split(".")[0] for name in torch_state(net)}
    assert known <= set(names(read))


def test_nodes_have_the_names_of_modules() -> None:
    net = network("ResNet")
    read = nn.from_torch(net, inputs=[2, 8, 8])
    document = read.to_dict()
    assert document["inputs"] == [{"name": "features", "shape": [2, 8, 8]}] and document["outputs"] == ["fc"]
    nodes = {node["name"]: node for node in document["nodes"]}
    assert nodes["iadd"] == {
        "name": "iadd",
        "inputs": ["layer1_0_bn2", "relu"],
        "layer": {"type": "Add"},
    }
    assert nodes["layer1_0_relu_1"]["shares"] == "layer1_0_relu"
    state = torch_state(net)
    assert {name.split(".")[0] for name in state} <= set(nodes)
    assert state["layer1_1_downsample_1.running_var"].shape == (6,)
    assert len(state) == len(GRAPHS["networks"]["ResNet"]["state"])


def test_arguments_are_inputs_with_columns_of_their_names() -> None:
    net = network("Towers")
    inputs = [{"name": "user", "shape": [5]}, {"name": "item", "shape": [3]}]
    assert nn.from_torch(net).to_dict()["inputs"] == inputs
    read = nn.from_torch(net, inputs={"user": nn.Input("visitor", [5])})
    assert read.to_dict()["inputs"] == [{"name": "visitor", "shape": [5]}, inputs[1]]
    # The module `item` and its input have two names, and so have its weights.
    assert {"item_1.weight", "user_1.running_mean"} <= set(torch_state(net)) and "item_1" in names(read)


def test_a_module_that_is_called_twice_is_one_layer() -> None:
    net = network("Siamese")
    nodes = nn.from_torch(net).to_dict()["nodes"]
    assert [node["shares"] for node in nodes if "shares" in node] == ["tower_0", "tower_1", "tower_2"]
    assert len(torch_state(net)) == 6


def test_last_states_are_the_output_of_a_recurrent_layer() -> None:
    words = nn.from_torch(network("Words"))
    assert words[1] == nn.GRU(4, 3, 2, bidirectional=True, output="last") and len(words) == 3
    assert nn.from_torch(network("Sentence"))[0].layer()["output"] == "last"


def test_a_mask_is_a_further_input_of_a_layer() -> None:
    read = nn.from_torch(network("Attentive"), inputs=5)
    nodes = {node["name"]: node["inputs"] for node in read.to_dict()["nodes"]}
    assert nodes["layer"] == ["embed", "eq"] and nodes["attention"] == ["layer", "eq"] and nodes["eq"] == ["features"]


def test_outputs_with_names_are_nodes_of_these_names() -> None:
    net = network("Named")
    read = nn.from_torch(net)
    assert read.to_dict()["outputs"] == ["relu", "size"]
    # F.relu would have the name of an output.
    assert names(read) == ["body", "relu_", "relu", "size"]
    assert list(torch_state(net)) == [
        f"{name}.{kind}" for name in ("body", "relu", "size") for kind in ("weight", "bias")
    ]


def test_a_sequential_may_hold_modules_of_ones_own() -> None:
    read = nn.from_torch(network("Sequential"))
    assert names(read) == ["_0", "_1_inner", "add", "_2"]


REASONS = {
    "Parameter": "scale (scale) in make_torch_graphs.py, line {}, `{}`: the forward reads this parameter",
    "Number": "mul (operator.mul) in make_torch_graphs.py, line {}, `{}`: it is given 0.5, which is no tensor",
    "Difference": "no layer here computes it: tensors are added to and multiplied by tensors",
    "Product": "matmul (torch.matmul) in make_torch_graphs.py, line {}, `{}`: no layer here computes it: products of two",
    "Linear": "fc_weight (fc.weight) in make_torch_graphs.py, line {}, `{}`: the forward reads this parameter",
    "Always": "it drops values while scoring too; write F.dropout(x, p, training=self.training)",
    "Lines": "view (.view()) in make_torch_graphs.py, line {}, `{}`: it puts all rows in one line; write torch.flatten(x, 1)",
    "Rows": "its first size is 2, and must be the number of rows",
    "Sizes": "it computes with a size of the tensor, which is not known before there are rows; write the numbers",
    "Flat": "it puts all rows in one line; write torch.flatten(x, 1)",
    "Squeezed": "what it takes away depends on sizes, which are not known before there are rows",
    "Behind": "it puts rows behind rows; write dim=1",
    "Part": "a part of a tensor cannot be read by its index",
    "Implicit": "dim is missing: PyTorch guesses it",
    "Overwritten": "fc (fc) in make_torch_graphs.py, line {}, `{}`: it reads 'x', which 'act' has changed in place before",
    "Added": "it reads 'x', which 'add_' has changed in place before",
    "Backwards": "behind a sequence that is read in both directions the last step is not the last of both",
    "Swapped": "torch.cat((h[-2], h[-1]), dim=1) in both",
    "Cells": "an LSTM's cells cannot",
    "Twice": "'lstm' is read both at all of its steps and at the last one",
    "Both": "'lstm' is read both at all of its steps and at the last one",
    "Started": "its argument hx cannot be read: it starts from zeros; leave it out",
    "Size": "its argument number 2 cannot be read: build the network with nn.Graph",
    "Floats": "key_padding_mask is made of floats, which PyTorch adds to the attention; leave .float() out of it",
    "Weights": "the weights of the attention are not put out here",
    "Whole": "it reads what MultiheadAttention returns as one; take the first",
    "Means": "dim=0 is not known here",
    "Stacked": "put them one after another: torch.cat(",
    "Largest": "no layer here computes it: write torch.amax(x, dim)",
    "Moved": "leave it out: all values are floats of one type",
    "Unused": "the forward of Refused does not use its argument 'y'; give it a default",
    "Same": "the forward returns a tensor twice; return it once",
}


@pytest.mark.parametrize("name", GRAPHS["refused"])
def test_what_no_layer_computes_is_refused_with_its_line(name: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        nn.from_torch(refused(name))
    message = re.sub(r"line \d+, `.*?`:", "line {}, `{}`:", str(told.value))
    assert message.startswith("from_torch: ") and REASONS[name] in message


def test_weights_of_what_is_not_read_keep_their_names() -> None:
    module = refused("Number")
    assert "fc.weight" not in torch_state(module)
    module._state = {"fc.weight": np.zeros((4, 4))}
    assert list(torch_state(module)) == ["fc.weight"]


def test_inputs_that_are_not_told_or_not_there_are_asked_for() -> None:
    with pytest.raises(
        InvalidParameterError, match=r"the shape of 'x', an argument of the forward of ResNet, is not told"
    ):
        nn.from_torch(network("ResNet"))
    with pytest.raises(
        InvalidParameterError, match=r"inputs has 'shop', and the forward of Towers has the arguments user, item"
    ):
        nn.from_torch(network("Towers"), inputs={"shop": 4})
    with pytest.raises(
        TypeError, match=r"inputs must be a dictionary by the names of the arguments of forward, user, item"
    ):
        nn.from_torch(network("Towers"), inputs=[4])


def test_hooks_of_a_module_with_a_forward_are_refused() -> None:
    net = network("Siamese")
    net._forward_hooks = {1: print}
    with pytest.raises(InvalidParameterError, match=r"the module \(.*Siamese\) has forward hooks"):
        nn.from_torch(net)


def read(*listed: Call) -> Any:
    """The network of a forward with one argument and these calls, each of which reads the one before."""
    net = refused("Number")
    before, found = "x", [Call("placeholder", "x", "x")]
    for at, call in enumerate(listed):
        call.name, call.args = f"call{at}", (Ref(before), *call.args)
        found.append(call)
        before = call.name
    net.calls = [*found, Call("output", "output", "output", args=(Ref(before),))]
    return nn.from_torch(net)


def method(name: str, *args: Any, **kwargs: Any) -> Call:
    return Call("call_method", "", name, args=args, kwargs=kwargs)


def function(name: str, *args: Any, **kwargs: Any) -> Call:
    return Call("call_function", "", name, "torch", args, kwargs)


#: Calls and what they are read as.
CALLS: list[tuple[Call, list[nn.Module]]] = [
    (method("transpose", 1, 2), [nn.Permute([0, 2, 1])]),
    (method("transpose", -1, -2), [nn.Permute([0, 2, 1])]),
    (method("transpose", 1, -1), [nn.Permute([0, 2, 1])]),
    (method("transpose", -1, -3), [nn.Permute([0, 3, 2, 1])]),
    (function("transpose", 2, 3), [nn.Permute([0, 1, 3, 2])]),
    (method("permute", 0, 3, 1, 2), [nn.Permute([0, 3, 1, 2])]),
    (function("permute", (0, 3, 1, 2)), [nn.Permute([0, 3, 1, 2])]),
    (method("unsqueeze", 1), [nn.Unflatten(1, [1, -1])]),
    (method("unsqueeze", 2), [nn.Unflatten(1, [-1, 1])]),
    (method("unsqueeze", -1), [nn.Unflatten(-1, [-1, 1])]),
    (method("unsqueeze", -2), [nn.Unflatten(-1, [1, -1])]),
    (function("getitem", (slice(None), None)), [nn.Unflatten(1, [1, -1])]),
    (method("mean", [2, 3]), [nn.AdaptiveAvgPool2d(1), nn.Flatten()]),
    (method("mean", (-1, -2), keepdim=True), [nn.AdaptiveAvgPool2d(1)]),
    (method("mean", -1), [nn.AdaptiveAvgPool1d(1), nn.Flatten()]),
    (function("amax", 1), [nn.Permute([0, 2, 1]), nn.AdaptiveMaxPool1d(1), nn.Flatten()]),
    (method("mean", 1, True), [nn.Permute([0, 2, 1]), nn.AdaptiveAvgPool1d(1), nn.Permute([0, 2, 1])]),
    (method("view", -1, 8), [nn.Reshape([8])]),
    (method("reshape", (-1, 2, 4)), [nn.Reshape([2, 4])]),
    (method("flatten", 1), [nn.Flatten()]),
    (function("flatten", start_dim=2), [nn.Flatten(2)]),
    (function("dropout", 0.3, training=False), []),
    (function("pad", (1, 2, 0, 0), "reflect"), [nn.ReflectionPad2d([1, 2, 0, 0])]),
    (function("pad", (1, 1), value=2.0), [nn.ConstantPad1d([1, 1], 2.0)]),
    (method("clamp", min=0), [nn.ReLU()]),
    (function("leaky_relu", 0.2, inplace=False), [nn.LeakyReLU(0.2)]),
    (function("interpolate", None, 2.0), [nn.Upsample(scale_factor=2)]),
    (method("clamp", -1.0, 1.0), [nn.Hardtanh(-1, 1)]),
    (method("contiguous"), []),
    (method("relu_"), [nn.ReLU()]),
    (function("log_sigmoid"), [nn.LogSigmoid()]),
    (function("max_pool2d", 3, 2, padding=1, return_indices=False), [nn.MaxPool2d(3, 2, 1)]),
]


@pytest.mark.parametrize(("call", "layers"), CALLS, ids=[f"{call.target}{call.args}{call.kwargs}" for call, _ in CALLS])
def test_calls_that_are_layers(call: Call, layers: list[nn.Module]) -> None:
    assert read(method("tanh"), call) == nn.Sequential(nn.Tanh(), *layers)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (function("max_pool2d", 3, return_indices=True), "its argument return_indices=True is not known here"),
        (method("transpose", 0, 1), "the rows are the first dimension and stay it"),
        (method("unsqueeze", 0), "the rows are the first dimension and stay it"),
        (method("clamp", max=1.0), "it is bounded on one side alone"),
        (function("interpolate", scale_factor=2, mode="bilinear"), 'mode = "bilinear" is not legal'),
        (Call("call_function", "", "gelu", "mine.layers"), r"call1 (mine.layers.gelu): no layer here computes it: call PyTorch's"),
        (Call("call_function", "", "view", "mine.layers"), "one that is not PyTorch's cannot be read"),
        (method("getitem", 0), "a part of a tensor cannot be read by its index"),
        (method("softmax", 1, "half"), "its argument 2='half' is not known here"),
    ],
)  # fmt: skip
def test_calls_that_are_none(call: Call, told: str) -> None:
    with pytest.raises(InvalidParameterError) as error:
        read(method("tanh"), call)
    assert told in str(error.value)
