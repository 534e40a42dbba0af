"""Writes torch_graphs.json with PyTorch (`make golden`): modules with a forward of their own, what torch.fx follows, what they compute.

Of every module what nn.from_torch looks at: its modules, as in torch_modules.json, and the calls of its forward. Without PyTorch
tests read these in its place; where it is installed, test_torch_live.py has it follow the same modules.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import torch
import torch.nn.functional as F
from make_torch_modules import described
from torch import nn

from candlewick._torch.trace import Call, Ref, Training, trace

HERE = pathlib.Path(__file__).resolve().parent


class Net(nn.Module):
    """The tutorial's."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, kernel_size=5)
        self.conv2 = nn.Conv2d(4, 6, kernel_size=3)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(24, 10)
        self.fc2 = nn.Linear(10, 3)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 24)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


class Block(nn.Module):
    """A basic block of a ResNet."""

    def __init__(self, width, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or width != out:
            self.downsample = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """Two blocks, with and without a change of width."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.layer1 = nn.Sequential(Block(4, 4), Block(4, 6, stride=2))
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.layer1(F.relu(self.stem(x)))
        return self.fc(torch.flatten(self.pool(x), 1))


class Towers(nn.Module):
    """Two inputs, put side by side."""

    def __init__(self):
        super().__init__()
        self.user = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.item = nn.Linear(3, 4)
        self.out = nn.Linear(8, 2)

    def forward(self, user, item):
        return self.out(torch.cat([self.user(user), torch.tanh(self.item(item))], dim=1))


class Siamese(nn.Module):
    """One module that is called twice, and one number for each row."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
        self.head = nn.Linear(3, 1)

    def forward(self, left, right):
        return torch.sigmoid(self.head(self.tower(left) * self.tower(right))).squeeze(-1)


class Words(nn.Module):
    """An embedding, and the last states of a GRU in both directions."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.gru = nn.GRU(4, 3, num_layers=2, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(6, 2)

    def forward(self, words):
        _, h = self.gru(self.embed(words.long()))
        return self.fc(torch.cat((h[-2], h[-1]), dim=1))


class Sentence(nn.Module):
    """The last step of an LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        out, (_h, _c) = self.lstm(x)
        return self.fc(out[:, -1, :])


class Attentive(nn.Module):
    """A Transformer over words that are filled up with 0, and its mean over the steps."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(9, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.fc = nn.Linear(8, 3)

    def forward(self, words):
        mask = words == 0
        x = self.layer(self.embed(words.long()), src_key_padding_mask=mask)
        y, _ = self.attention(x, x, x, key_padding_mask=mask, need_weights=False)
        return self.fc((x + y).mean(dim=1))


class Named(nn.Module):
    """Two outputs with names, of which one is that of another call."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 6)
        self.relu = nn.Linear(6, 2)
        self.size = nn.Linear(6, 1)

    def forward(self, x, scale=None):
        x = F.relu(self.body(x))
        if scale is not None:
            x = x * scale
        return {"relu": self.relu(x), "size": self.size(x)}


class Functions(nn.Module):
    """Many functions and methods, one after another."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, padding=1)
        self.own = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x):
        x = F.gelu(self.conv(x.transpose(1, 2)), approximate="tanh")
        x = F.avg_pool1d(F.pad(x, (1, 1)), 2, stride=1).permute(0, 2, 1).contiguous()
        for layer in self.own:
            x = F.leaky_relu(layer(x), 0.2).clamp(-2.0, 2.0)
        x = torch.softmax(F.silu(x), -1).unsqueeze(1).float()
        x = F.interpolate(x, scale_factor=2.0)
        x = F.adaptive_max_pool2d(x, (3, 2)).amax((2, 3), keepdim=True)
        x = F.elu(x).clamp(min=0).reshape(x.size(0), -1)
        return F.dropout(x, 0.5, self.training)


class Doubled(nn.Module):
    """A block of one's own."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.inner(x)


def networks() -> dict[str, tuple[nn.Module, list[torch.Tensor]]]:
    """The modules with what goes in."""
    torch.manual_seed(7)
    words = torch.randint(1, 9, (6, 5)).float()
    padded = words.clone()
    padded[:, 3:] = 0
    return {
        "Net": (Net(), [torch.randn(6, 1, 16, 16)]),
        "ResNet": (ResNet(), [torch.randn(6, 2, 8, 8)]),
        "Towers": (Towers(), [torch.randn(6, 5), torch.randn(6, 3)]),
        "Siamese": (Siamese(), [torch.randn(6, 4), torch.randn(6, 4)]),
        "Words": (Words(), [words]),
        "Sentence": (Sentence(), [torch.randn(6, 5, 3)]),
        "Attentive": (Attentive(), [padded]),
        "Named": (Named(), [torch.randn(6, 4)]),
        "Functions": (Functions(), [torch.randn(6, 5, 4)]),
        "Sequential": (nn.Sequential(nn.Linear(3, 4), Doubled(), nn.Linear(4, 2)), [torch.randn(6, 3)]),
    }


def moved(module: nn.Module, inputs: list[torch.Tensor]) -> Any:
    """What it computes, after running statistics have left their start."""
    module.train()
    for _ in range(3):
        module(*inputs)
    module.eval()
    with torch.no_grad():
        return module(*inputs)


def refused() -> dict[str, nn.Module]:
    """Modules whose forward has what is no layer here, by what that is."""

    def made(forward: Any) -> nn.Module:
        module = type("Refused", (nn.Module,), {"forward": forward})()
        module.fc, module.act = nn.Linear(4, 4), nn.ReLU(inplace=True)
        module.gru = nn.GRU(4, 4, batch_first=True, bidirectional=True)
        module.lstm = nn.LSTM(4, 4, batch_first=True)
        module.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        module.up = nn.ConvTranspose1d(4, 4, 3, stride=2)
        module.scale = nn.Parameter(torch.ones(4))
        return module

    return {name: made(forward) for name, forward in REFUSED.items()}


REFUSED: dict[str, Any] = {
    "Parameter": lambda self, x: self.fc(x * self.scale),
    "Number": lambda self, x: self.fc(x) * 0.5,
    "Difference": lambda self, x: self.fc(x) - x,
    "Product": lambda self, x: torch.matmul(self.fc(x), x),
    "Linear": lambda self, x: F.linear(x, self.fc.weight),
    "Always": lambda self, x: F.dropout(self.fc(x)),
    "Lines": lambda self, x: self.fc(x).view(-1),
    "Rows": lambda self, x: self.fc(x).view(2, -1),
    "Sizes": lambda self, x: self.fc(x.view(x.size(0), x.size(1), 1)),
    "Flat": lambda self, x: torch.flatten(self.fc(x)),
    "Squeezed": lambda self, x: self.fc(x.squeeze(1)),
    "Behind": lambda self, x: torch.cat((x, self.fc(x))),
    "Part": lambda self, x: self.fc(x[:, 0]),
    "Implicit": lambda self, x: F.softmax(self.fc(x)),
    "Overwritten": lambda self, x: self.act(x) + self.fc(x),
    "Added": lambda self, x: (x.add_(self.fc(x)), self.fc(x))[1],
    "Backwards": lambda self, x: self.fc(self.gru(x)[0][:, -1]),
    "Swapped": lambda self, x: (lambda h: self.fc(torch.cat((h[-1], h[-2]), 1)))(self.gru(x)[1]),
    "Cells": lambda self, x: self.fc(self.lstm(x)[1][1][-1]),
    "Twice": lambda self, x: self.lstm(x)[0].mean(1) + self.lstm(x)[1][0][-1],
    "Both": lambda self, x: (lambda y: y[0].mean(1) + y[0][:, -1])(self.lstm(x)),
    "Started": lambda self, x: self.lstm(x, (x, x))[0],
    "Size": lambda self, x: self.up(x, [9]),
    "Floats": lambda self, x: self.attention(x, x, x, key_padding_mask=(x == 0).float())[0],
    "Weights": lambda self, x: self.fc(self.attention(x, x, x)[1]),
    "Whole": lambda self, x: self.fc(self.attention(x, x, x)),
    "Means": lambda self, x: self.fc(x.mean(0)),
    "Stacked": lambda self, x: torch.stack([x, self.fc(x)], 1),
    "Largest": lambda self, x: self.fc(x).max(1)[0],
    "Moved": lambda self, x: self.fc(x.to(torch.float64)),
    "Unused": lambda self, x, y: self.fc(x),
    "Same": lambda self, x: (lambda y: (y, y))(self.fc(x)),
}


def plain(value: Any) -> Any:
    """An argument of a call as JSON has it."""
    if isinstance(value, Ref):
        return {"ref": value.name}
    if isinstance(value, Training):
        return {"training": True}
    if isinstance(value, slice):
        return {"slice": [plain(value.start), plain(value.stop), plain(value.step)]}
    if isinstance(value, tuple):
        return {"tuple": [plain(one) for one in value]}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {"dict": [[name, plain(one)] for name, one in value.items()]}
    return value if value is None or isinstance(value, bool | int | float | str) else {"other": str(value)}


def recorded(call: Call) -> dict[str, Any]:
    given = {"args": plain(call.args), "kwargs": plain(call.kwargs)}
    return {"op": call.op, "name": call.name, "target": call.target, "home": call.home, "line": call.line, **given}


def rounded(value: Any) -> Any:
    """Numbers with as many digits as those of f32 need."""
    return [rounded(one) for one in value] if isinstance(value, list) else float(f"{value:.9g}")


def computed(module: nn.Module, inputs: list[torch.Tensor]) -> str:
    """A module with its calls, its weights, and what it makes of its inputs."""
    out = moved(module, inputs)
    outputs = {name: rounded(one.tolist()) for name, one in (out if isinstance(out, dict) else {"": out}).items()}
    state = {name: [str(value.dtype), rounded(value.tolist())] for name, value in module.state_dict().items()}
    whole = {"state": state, "inputs": [rounded(one.tolist()) for one in inputs], "outputs": outputs}
    parts = [f'"{name}": {json.dumps(value)}' for name, value in {"module": described(module), **whole}.items()]
    return "{" + ",\n".join([*parts, f'"calls": [\n{listed(module)}\n]']) + "}"


def listed(module: nn.Module) -> str:
    """The calls of its forward, a line for each."""
    return ",\n".join(json.dumps(recorded(call)) for call in trace(module))


def main() -> None:
    """All into one file."""
    whole = [f'"{name}": {computed(module, given)}' for name, (module, given) in networks().items()]
    wrong = [f'"{name}": [\n{listed(module)}\n]' for name, module in refused().items()]
    parts = [f'"networks": {{{",".join(whole)}}}', f'"refused": {{{",".join(wrong)}}}']
    parts += [f'"refused_module": {json.dumps(described(refused()["Parameter"]))}']
    (HERE / "torch_graphs.json").write_text("{" + ",".join(parts) + "}\n")


if __name__ == "__main__":
    main()
