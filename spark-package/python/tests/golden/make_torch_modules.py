"""Writes torch_modules.json with PyTorch (`make golden`): what its modules tell of themselves, and what they compute.

Of every module its class, how that is called, its attributes, and the modules in it: what nn.from_torch looks at.
"""

import inspect
import json
import pathlib

import torch
from torch import nn

HERE = pathlib.Path(__file__).parent

#: Every layer that both have, with arguments that are not the default where there are some.
LAYERS = """
Linear(4, 3)
Linear(4, 3, bias=False)
Bilinear(2, 3, 4)
Conv1d(2, 4, 3, stride=2, padding=1)
Conv2d(1, 8, (3, 5), padding="same", bias=False)
Conv2d(4, 8, 3, stride=2, padding=(1, 0), dilation=2, groups=2)
ConvTranspose1d(2, 4, 3, stride=2, output_padding=1)
ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, dilation=2)
MaxPool1d(2)
MaxPool2d((2, 3), stride=1, padding=1, ceil_mode=True)
AvgPool1d(2, stride=1)
AvgPool2d(2, count_include_pad=False, divisor_override=3)
LPPool1d(2.0, 3)
LPPool2d(1.5, 3, stride=2)
AdaptiveAvgPool1d(3)
AdaptiveAvgPool2d((3, None))
AdaptiveMaxPool1d(2)
AdaptiveMaxPool2d(2)
BatchNorm1d(4, eps=1e-3, momentum=None)
BatchNorm1d(4, affine=False)
BatchNorm2d(4, track_running_stats=False)
InstanceNorm1d(4)
InstanceNorm2d(4, affine=True, track_running_stats=True)
GroupNorm(2, 4, eps=1e-3)
LayerNorm([3, 4])
LayerNorm(4, elementwise_affine=False)
LayerNorm(4, bias=False)
RMSNorm(4, eps=1e-6)
LocalResponseNorm(3, alpha=0.01)
Embedding(10, 4, padding_idx=2)
EmbeddingBag(10, 4, mode="sum")
RNN(3, 5, nonlinearity="relu", batch_first=True)
LSTM(3, 5, num_layers=2, batch_first=True, dropout=0.5, bidirectional=True, proj_size=2)
GRU(3, 5, bias=False, batch_first=True)
MultiheadAttention(8, 2, dropout=0.1, bias=False, batch_first=True)
TransformerEncoderLayer(8, 2, 16, dropout=0.2, activation="gelu", norm_first=True, batch_first=True)
TransformerDecoderLayer(8, 2, 16, layer_norm_eps=1e-3, batch_first=True, bias=False)
TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3, norm=nn.LayerNorm(8))
Dropout(0.2)
Dropout2d(0.3, inplace=True)
Flatten()
Flatten(2, -2)
Unflatten(1, (2, 3))
Upsample(scale_factor=2)
Upsample(size=(4, 6))
ZeroPad1d(2)
ZeroPad2d((1, 2, 3, 4))
ConstantPad1d((1, 2), 0.5)
ConstantPad2d(1, -1.0)
ReflectionPad1d(1)
ReflectionPad2d((1, 1, 2, 2))
ReplicationPad1d(1)
ReplicationPad2d(1)
CircularPad1d(1)
CircularPad2d(1)
Identity()
ReLU(inplace=True)
ReLU6()
LeakyReLU(0.1)
PReLU(4, init=0.1)
ELU(0.5)
CELU(2.0)
SELU()
GELU("tanh")
SiLU()
Mish()
Sigmoid()
LogSigmoid()
Tanh()
Tanhshrink()
Hardtanh(-2.0, 2.0)
Hardsigmoid()
Hardswish()
Hardshrink(0.1)
Softshrink(0.1)
Softplus(2, 10)
Softsign()
Threshold(0.1, 20.0)
Softmax(dim=-1)
LogSoftmax(dim=1)
Softmin(dim=-1)
GLU(1)
""".strip().splitlines()

#: Modules that are refused.
REFUSED = """
Conv3d(1, 2, 3)
Conv2d(1, 2, 3, padding_mode="reflect")
MaxPool2d(2, return_indices=True)
Embedding(10, 4, max_norm=1.0)
LSTM(3, 5)
MultiheadAttention(8, 2)
MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)
MultiheadAttention(8, 2, add_zero_attn=True, batch_first=True)
Softmax()
Upsample(scale_factor=2, mode="bilinear")
Upsample(scale_factor=1.5)
ModuleList([nn.Linear(1, 2)])
Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Conv3d(1, 2, 3)))
""".strip().splitlines()


def plain(value: object) -> object:
    """An attribute as JSON has it: a tensor by its shape, a function by its name."""
    if isinstance(value, torch.Tensor):
        return {"tensor": list(value.shape)}
    if isinstance(value, nn.Module):
        return described(value)
    if isinstance(value, list | tuple):
        return {"sequence": [plain(item) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"function": getattr(value, "__name__", type(value).__name__)}


def described(module: nn.Module) -> dict:
    kind = type(module)
    signature = inspect.signature(kind).parameters.values()
    arguments = {one.name: None if one.default is one.empty else plain(one.default) for one in signature}
    own = {name: plain(value) for name, value in vars(module).items() if not name.startswith("_")}
    parameters = {name: plain(value) for name, value in module._parameters.items()}
    children = [[name, described(child)] for name, child in module.named_children()]
    return {
        "class": kind.__name__,
        "module": kind.__module__,
        "arguments": arguments,
        "attributes": {**own, **parameters},
        "children": children,
    }


def made(code: str) -> nn.Module:
    return eval("nn." + code, {"nn": nn})


def computed() -> dict:
    """A network with its weights, rows and what it makes of them; its layers have names."""
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("body", nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Tanh()))
    net.add_module("end", nn.Linear(4, 2))
    rows = torch.randn(20, 6)
    net.train()
    net(rows)  # moves the running statistics
    net.eval()
    state = {name: [str(value.dtype), value.tolist()] for name, value in net.state_dict().items()}
    return {"network": described(net), "state": state, "rows": rows.tolist(), "outputs": net(rows).tolist()}


def main() -> None:
    lists = {"layers": LAYERS, "refused": REFUSED}
    lines = {
        name: ",\n".join(json.dumps([code, described(made(code))]) for code in codes) for name, codes in lists.items()
    }
    parts = [f'"{name}": [\n{text}\n]' for name, text in lines.items()]
    parts += [f'"computed": {json.dumps(computed())}']
    (HERE / "torch_modules.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
