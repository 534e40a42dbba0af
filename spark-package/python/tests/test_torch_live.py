"""nn.from_torch with PyTorch itself, where it is installed: `pip install torch` beside what the other tests need."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded_torch import GRAPHS

from candlewick import nn
from candlewick._torch import torch_state
from candlewick.errors import InvalidParameterError

torch: Any = pytest.importorskip("torch")
F = torch.nn.functional
sys.path.append(str(Path(__file__).parent / "golden"))
made: Any = pytest.importorskip("make_torch_graphs")


class Own(torch.nn.Module):
    """With a layer, for a forward to call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)
        self.deep = True


def own(forward: Any) -> Any:
    return type("Mine", (Own,), {"forward": forward})()


@pytest.mark.parametrize("name", GRAPHS["networks"])
def test_the_recorded_calls_are_those_of_pytorch(name: str) -> None:
    module, _ = made.networks()[name]
    calls = [made.recorded(call) for call in made.trace(module)]
    assert json.loads(json.dumps(calls)) == GRAPHS["networks"][name]["calls"]


@pytest.mark.parametrize("name", GRAPHS["refused"])
def test_what_is_refused_has_a_line(name: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        nn.from_torch(made.refused()[name])
    if name not in ("Unused", "Same"):
        assert re.search(rf'make_torch_graphs.py, line \d+, `"{name}": lambda', str(told.value))


def test_both_modes_are_left_as_they_were() -> None:
    net = made.Net()
    net.eval()
    net.conv1.train()
    assert nn.from_torch(net)[10] == nn.Dropout(0.5)
    assert (net.training, net.conv1.training, net.conv2.training) == (False, True, False)
    net.fc1 = None
    with pytest.raises(InvalidParameterError, match="its forward cannot be followed"):
        nn.from_torch(net)
    assert (net.training, net.conv1.training, net.conv2.training) == (False, True, False)


def _if(self: Any, x: Any) -> Any:
    return self.fc(x) if x.sum() > 0 else x


def _loop(self: Any, x: Any) -> Any:
    for row in x:
        x = self.fc(row)
    return x


def _range(self: Any, x: Any) -> Any:
    for _ in range(x.shape[1]):
        x = self.fc(x)
    return x


FORWARDS: list[tuple[Any, str]] = [
    (_if, r"in test_torch_live.py, line \d+, `return self.fc\(x\) if x.sum\(\) > 0 else x`: symbolically traced.*let no if, while"),
    (_loop, r"line \d+, `for row in x:`: Proxy object cannot be iterated; go through layers, or a range of fixed length"),
    (_range, r"line \d+, `for _ in range\(x.shape\[1\]\):`.*; go through layers, or a range of fixed length"),
    (lambda self, x: self.fc(x).view(len(x), -1), r"'len' is not supported.*; write x.size\(0\) for the number of rows"),
    (lambda self, x: self.fc(x + torch.zeros(x.size(0), 2)), r"zeros\(\).*no tensors are made within a forward here"),
    (lambda self, x: self.fc(self.fc(x)) if self.training else self.fc(x), "calls other layers while training than while scoring"),
    (lambda self, x: F.dropout(self.fc(x), 0.5 if self.training else 0.1), r"given 0.5 while training and 0.1 while scoring"),
    (lambda self, *x: self.fc(x[0]), "it has no argument without a default, which would be an input"),
    (lambda self, batch: self.fc(batch["x"]), "a part of a tensor cannot be read by its index"),
]  # fmt: skip


@pytest.mark.parametrize(("forward", "told"), FORWARDS, ids=[told for _, told in FORWARDS])
def test_what_cannot_be_followed_is_told_with_its_line(forward: Any, told: str) -> None:
    with pytest.raises(InvalidParameterError, match=told):
        nn.from_torch(own(forward))


def _defaults(self: Any, x: Any, mask: Any = None, *, deep: bool = True) -> Any:
    x = self.fc(x) if self.deep and deep else x
    return x if mask is None else x * mask


def _added(self: Any, x: Any) -> Any:
    y = x
    y += self.fc(x)
    return x + y


def test_settings_and_defaults_may_be_asked_for() -> None:
    assert nn.from_torch(own(_defaults)) == nn.Sequential(nn.Linear(2, 2))


def test_a_sum_in_place_changes_what_others_read() -> None:
    with pytest.raises(InvalidParameterError, match="it reads 'x', which 'iadd' has changed in place before"):
        nn.from_torch(own(_added))


def test_weights_are_those_of_the_module() -> None:
    net = made.networks()["ResNet"][0]
    state = torch_state(net)
    assert torch.equal(state["layer1_1_downsample_0.weight"], net.layer1[1].downsample[0].weight)
    assert len(state) == len(net.state_dict())


def test_what_is_frozen_is_told_by_the_names_of_nodes() -> None:
    net = made.Net()
    net.fc1.requires_grad_(False)
    with pytest.warns(UserWarning, match=r"from_torch: 8.weight, 8.bias will be trained"):
        nn.from_torch(net)


def test_the_network_of_the_page_is_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "pytorch.md").read_text()
    names: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[0], names)
    read = nn.from_torch(names["Net"]())
    assert [type(layer).__name__ for layer in read][-3:] == ["Dropout", "Linear", "LogSoftmax"] and len(read) == 13
