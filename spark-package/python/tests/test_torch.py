"""nn.from_torch reads what modules of PyTorch tell of themselves.

PyTorch is not here: objects stand for its modules that tell the same (recorded_torch.py).
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from recorded_torch import GOLDEN, Recorded, computed, module

from candlewick import nn
from candlewick._document import to_network
from candlewick._torch import torch_state
from candlewick._weights import to_weights
from candlewick.errors import InvalidParameterError


def same(mine: Any, torchs: Any) -> bool:
    """Whether two documents mean the same: PyTorch keeps one size for all dimensions as a list."""
    if isinstance(mine, dict) and isinstance(torchs, dict):
        if mine.keys() != torchs.keys():
            return False
        # The stride of a pool is by default its size.
        return all(
            same(mine[name], torchs[name])
            or (name == "stride" and mine[name] is None and same(mine["kernel_size"], torchs[name]))
            for name in mine
        )
    if isinstance(torchs, list) and not isinstance(mine, list):
        return all(value == mine for value in torchs)
    return mine == torchs


@pytest.mark.parametrize(("code", "recorded"), GOLDEN["layers"], ids=[code for code, _ in GOLDEN["layers"]])
def test_a_layer_of_pytorch_is_ours_with_the_same_arguments(code: str, recorded: dict[str, Any]) -> None:
    # The builders are called as PyTorch's classes are, but for what is no argument of theirs.
    mine = eval("nn." + code.replace(", inplace=True", "").replace("inplace=True", ""), {"nn": nn})
    read = nn.from_torch(module(recorded))
    assert type(read) is type(mine)
    assert same(mine.layer(), read.layer()), f"{mine} and {read}"


REASONS = {
    "Conv3d(1, 2, 3)": "the module (torch.nn.modules.conv.Conv3d) has no counterpart here",
    'Conv2d(1, 2, 3, padding_mode="reflect")': 'padding_mode = "reflect" is not legal',
    "MaxPool2d(2, return_indices=True)": "return_indices=True is not known here; only return_indices=False is",
    "Embedding(10, 4, max_norm=1.0)": "max_norm=1.0 is not known here; only max_norm=None is",
    "LSTM(3, 5)": "LSTM: batch_first = false is not legal: expected true",
    "MultiheadAttention(8, 2)": "MultiheadAttention: batch_first = false is not legal",
    "MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)": "add_bias_kv=True is not known here",
    "MultiheadAttention(8, 2, add_zero_attn=True, batch_first=True)": "add_zero_attn=True is not known here",
    "Softmax()": "Softmax: dim = null is not legal",
    'Upsample(scale_factor=2, mode="bilinear")': 'Upsample: mode = "bilinear" is not legal',
    "Upsample(scale_factor=1.5)": "scale_factor = 1.5 is not legal",
    "ModuleList([nn.Linear(1, 2)])": "the module (torch.nn.modules.container.ModuleList) has no counterpart here",
    "Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Conv3d(1, 2, 3)))": (
        "from_torch: 1.1 (torch.nn.modules.conv.Conv3d) has no counterpart here"
    ),
}


@pytest.mark.parametrize(("code", "recorded"), GOLDEN["refused"], ids=[code for code, _ in GOLDEN["refused"]])
def test_what_is_not_ours_is_refused_with_its_place_and_type(code: str, recorded: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError) as told:
        nn.from_torch(module(recorded))
    assert REASONS[code] in str(told.value)


def test_layers_with_names_get_numbers_and_so_do_their_weights() -> None:
    net = computed()
    read = nn.from_torch(net)
    assert repr(read).count("Linear(") == 2 and isinstance(read, nn.Sequential) and len(read) == 2
    state = torch_state(net)
    assert list(state) == [
        "0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias", "0.1.running_mean", "0.1.running_var",
        "0.1.num_batches_tracked", "1.weight", "1.bias",
    ]  # fmt: skip
    assert np.array_equal(state["1.bias"], GOLDEN["computed"]["state"]["end.bias"][1])
    assert to_weights(net) == to_weights(state) and to_weights(net).startswith("base64:")


def test_a_single_layer_is_a_network_of_one() -> None:
    recorded = dict(GOLDEN["layers"])["Linear(4, 3)"]
    net = module(recorded, {"weight": np.ones((3, 4)), "bias": np.zeros(3)})
    assert nn.from_torch(net).to_dict() == nn.Sequential(nn.Linear(4, 3)).to_dict()
    assert list(torch_state(net)) == ["0.weight", "0.bias"]


def test_a_module_that_stands_at_two_places_is_one_layer() -> None:
    recorded = dict(GOLDEN["layers"])
    linear = module(recorded["Linear(4, 3)"], {"weight": np.ones((3, 4)), "bias": np.zeros(3)})
    tanh, net = module(recorded["Tanh()"]), computed()
    net._children = [("a", linear), ("b", tanh), ("c", linear), ("d", tanh)]
    read = nn.from_torch(net)
    assert len(read) == 4 and read[0] is read[2] and read[1] is read[3]
    assert read.to_dict()["layers"][2] == {"shares": "0"}
    assert list(torch_state(net)) == ["0.weight", "0.bias"]


def test_weights_that_are_shared_or_changed_on_the_way_are_refused() -> None:
    recorded = dict(GOLDEN["layers"])
    shared, tied = module(recorded["Linear(4, 3)"]), module(recorded["Linear(4, 3)"])
    tied.weight = shared.weight
    net = computed()
    net._children = [("0", shared), ("1", module(recorded["Tanh()"])), ("2", tied)]
    with pytest.raises(InvalidParameterError, match=r"from_torch: 2 \(torch.nn.*\) has the weights of another layer"):
        nn.from_torch(net)
    hooked = module(recorded["Linear(4, 3)"])
    hooked._forward_pre_hooks = {1: print}
    with pytest.raises(InvalidParameterError, match="forward hooks, which cannot be read"):
        nn.from_torch(hooked)
    # A class of a user that is named like one of PyTorch's.
    own = type("Linear", (type(shared),), {"__module__": "mine"})
    with pytest.raises(
        InvalidParameterError, match=r"the module \(mine.Linear\) has a forward of its own, which PyTorch"
    ):
        nn.from_torch(own([], {}))


def test_an_activation_that_is_only_near_to_one_that_is_known_is_refused() -> None:
    recorded = dict(GOLDEN["layers"])
    found = next(text for text in recorded if text.startswith("TransformerEncoderLayer("))
    layer = module(recorded[found])
    layer.activation = module(recorded['GELU("tanh")'])
    with pytest.raises(
        InvalidParameterError, match=r'approximate="tanh" of the activation of TransformerEncoderLayer is not'
    ):
        nn.from_torch(layer)


def test_what_is_no_module_is_told_where_it_belongs() -> None:
    with pytest.raises(TypeError, match="from_torch takes a module of PyTorch"):
        nn.from_torch(nn.Linear(3))
    net = computed()
    with pytest.raises(TypeError, match=r"nn.from_torch\(module\) reads a module of PyTorch"):
        to_network(net)
    with pytest.raises(TypeError, match=r"nn.from_torch\(module\) reads a module of PyTorch"):
        nn.Sequential(net)


def test_what_is_frozen_in_pytorch_is_told() -> None:
    frozen, trained = SimpleNamespace(requires_grad=False), SimpleNamespace(requires_grad=True)
    recorded = dict(GOLDEN["layers"])["Linear(4, 3)"]
    net = computed()
    net._children = [
        ("a", module(recorded, {"weight": frozen, "bias": trained})),
        ("b", module(recorded, {"weight": trained})),
    ]
    with pytest.warns(UserWarning, match=r"from_torch: 0.weight will be trained") as told:
        nn.from_torch(net)
    assert """optim.AdamW(groups=[{"params": ['0.weight'], "frozen": True}])""" in str(told[0].message)
    with pytest.warns(UserWarning, match=r"from_torch: 0.weight will be trained"):
        nn.from_torch(module(recorded, {"weight": frozen}))


def test_an_encoder_has_the_layers_that_are_in_its_list() -> None:
    code = next(code for code, _ in GOLDEN["layers"] if code.startswith("TransformerEncoder("))
    net = module(dict(GOLDEN["layers"])[code])
    (_, layers), *_ = net.named_children()
    whole = len(layers._children)
    layers._children = layers._children[:1]
    assert whole > 1 and nn.from_torch(net).layer()["num_layers"] == 1
    other = copy.deepcopy(layers._children[0][1])
    other.norm_first = not other.norm_first
    layers._children = [*layers._children, ("1", other)]
    with pytest.raises(InvalidParameterError, match="its layers differ"):
        nn.from_torch(net)


def recorded_layer(start: str) -> Any:
    return module(next(recorded for code, recorded in GOLDEN["layers"] if code.startswith(start)))


def put(owner: Any, name: str, child: Any) -> None:
    """In place of the module of this name, as `setattr` does for a module of PyTorch."""
    owner._children = [(known, child if known == name else one) for known, one in owner._children]
    setattr(owner, name, child)


def kind(name: str, base: Any, home: str = "mine") -> Any:
    """An object of a class of this name, with what `base` has."""
    made = copy.copy(base)
    made.__class__ = type(name, (type(base),), {"__module__": home})
    return made


def changed(layer: Any, part: str, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(dict(layer._children)[part], name, value)


def hooked(layer: Any) -> None:
    layer.linear1._forward_pre_hooks = {1: print}


#: What may be done to a Transformer layer, and what is said of it.
CHANGES: list[tuple[Any, str]] = [
    (lambda one: changed(one, "norm2", eps=0.1), r"norm2 has eps=0.1, where .* eps=(1e-05|0.001) of it"),
    (lambda one: changed(one, "dropout1", p=0.9), r"dropout1 has p=0.9, where .* p=0\.\d of it"),
    (lambda one: changed(one, "self_attn", dropout=0.9), r"self_attn has dropout=0.9, where"),
    (lambda one: changed(one, "self_attn", add_zero_attn=True), "self_attn: add_zero_attn=True is not known here"),
    (
        lambda one: changed(one, "norm1", bias=np.zeros(8) if one.norm1.bias is None else None),
        "norm1 has bias=(True|False), where",
    ),
    (lambda one: changed(one, "linear2", out_features=9), "linear2 has out_features=9, where"),
    (
        lambda one: put(one, "norm1", kind("RMSNorm", one.norm1, "torch.nn.modules.normalization")),
        r"norm1 \(torch.nn.modules.normalization.RMSNorm\) .* torch.nn.LayerNorm",
    ),
    (lambda one: put(one, "linear2", computed()), r"linear2 \(.*Sequential\) .* torch.nn.Linear"),
    (lambda one: put(one, "linear1", kind("Linear", one.linear1)), r"linear1 \(mine.Linear\)"),
    (
        lambda one: put(one.self_attn, "out_proj", kind("LoraLayer", one.self_attn.out_proj)),
        r"its part self_attn: its part out_proj \(mine.LoraLayer\)",
    ),
    (lambda one: put(one, "dropout2", one.dropout), "dropout2 is dropout once more"),
    (lambda one: put(one, "norm2", one.norm1), "norm2 is norm1 once more"),
    (lambda one: setattr(one.norm2, "weight", one.norm1.weight), "share weights"),
    (
        lambda one: one._children.append(("adapter", module(dict(GOLDEN["layers"])["ReLU6()"]))),
        "a part of its own, adapter",
    ),
    (hooked, r"linear1 \(torch.nn.*Linear\) has forward hooks"),
    (lambda one: setattr(one.norm2, "forward", print), r"norm2 \(.*LayerNorm\) has a forward that was put"),
    (lambda one: setattr(one, "activation", lambda x: x), r"its activation is <function .*lambda"),
    (
        lambda one: setattr(one, "activation", kind("GELU", module(dict(GOLDEN["layers"])["Sigmoid()"]))),
        "its activation is",
    ),
]


@pytest.mark.parametrize("start", ["TransformerEncoderLayer(", "TransformerDecoderLayer("])
@pytest.mark.parametrize(("change", "told"), CHANGES, ids=[told for _, told in CHANGES])
def test_a_part_of_a_transformer_layer_that_was_changed_is_refused(start: str, change: Any, told: str) -> None:
    layer = recorded_layer(start)
    nn.from_torch(layer)
    change(layer)
    with pytest.raises(InvalidParameterError, match=told):
        nn.from_torch(layer)


def test_layers_of_an_encoder_that_share_weights_are_refused() -> None:
    net = recorded_layer("TransformerEncoder(")
    layers = net.layers
    put(layers, "1", layers._children[0][1])
    with pytest.raises(InvalidParameterError, match=r"layers.1 is layers.0 once more"):
        nn.from_torch(net)
    net = recorded_layer("TransformerEncoder(")
    first, second = (layer for _, layer in net.layers._children[:2])
    second.linear1.weight = first.linear1.weight
    with pytest.raises(InvalidParameterError, match=r"layers.1 \(torch.nn.*\) has the weights of another layer"):
        nn.from_torch(net)
    net = recorded_layer("TransformerEncoder(")
    net._children.append(("adapter", module(dict(GOLDEN["layers"])["ReLU6()"])))
    with pytest.raises(InvalidParameterError, match="a part of its own, adapter"):
        nn.from_torch(net)


def test_a_forward_that_was_put_into_a_module_is_refused() -> None:
    net = computed()
    net.forward = print
    with pytest.raises(InvalidParameterError, match=r"the module \(torch.nn.*Sequential\) has a forward that was put"):
        nn.from_torch(net)


def test_a_module_with_a_forward_of_its_own_keeps_the_names_of_its_weights() -> None:
    state = {"fc1.weight": np.ones((3, 4)), "fc1.bias": np.zeros(3)}
    made: Any = type("Net", (Recorded,), {"__module__": "mine"})
    assert list(torch_state(made([], state))) == ["fc1.weight", "fc1.bias"]
    # One that is derived from Sequential may have a forward too.
    made = type("Net", (type(computed()),), {"__module__": "mine"})
    assert list(torch_state(made([], {"0.weight": np.ones(3)}))) == ["0.weight"]
