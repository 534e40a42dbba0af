"""Writes modules.json and modules.safetensors with PyTorch (`make golden`): the samples of torch.testing's module_db.

module_db is what PyTorch tests its own layers and losses with. Of every layer and loss of the catalogue (docs/layers.md,
docs/losses.md) that it has, each sample is recorded: the document, the inputs as rows, the parameters, the outputs while
training and in evaluation, and the gradients, computed in f64 from f32 numbers.

A sample that is no matter of a constructor (a mask given to forward, a label that is no row's) is recorded with the
reason in `beyond` and without numbers. `absent` lists what module_db does not have; other golden files do.
"""

import inspect
import json
import pathlib
import re
import struct
import typing
import zlib
from collections.abc import Callable

import torch
from golden import HERE, catalogue
from torch import nn
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

#: Dimensions of an input without a batch, of classes whose samples come with and without.
UNBATCHED = {
    "1d": {
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AvgPool",
        "AdaptiveAvgPool",
        "AdaptiveMaxPool",
        "LPPool",
        "InstanceNorm",
    },
    "2d": {
        "Conv",
        "ConvTranspose",
        "MaxPool",
        "AvgPool",
        "AdaptiveAvgPool",
        "AdaptiveMaxPool",
        "LPPool",
        "InstanceNorm",
    },
}
SEQUENCES = {
    "RNN", "LSTM", "GRU", "MultiheadAttention", "TransformerEncoderLayer", "TransformerEncoder",
    "TransformerDecoderLayer",
}  # fmt: skip
#: What forward may be given by name.
HARMLESS = {"need_weights", "input"}
#: Losses of a class; others compare every output.
CLASSES = {"CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"}


class Beyond(Exception):
    """A sample is no matter of a constructor."""


class Numbers:
    """The tensors of the file, by name."""

    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}

    def add(self, name: str, tensor: torch.Tensor) -> None:
        self.tensors[name] = tensor.detach().to(torch.float32).contiguous()

    def write(self, path: pathlib.Path) -> None:
        """A safetensors file: length of the header, header, data."""
        header, data, at = {}, bytearray(), 0
        for name, tensor in self.tensors.items():
            values = tensor.numpy().tobytes()
            header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(values)]}
            data += values
            at += len(values)
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(data))


def plain(value: object) -> object:
    """An argument as the document has it."""
    if isinstance(value, torch.Tensor):
        return plain(value.detach().to(torch.float32).tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, nn.TransformerEncoderLayer):
        return encoder_layer(value)
    if callable(value):
        return typing.cast(typing.Any, value).__name__
    return value


def encoder_layer(layer: nn.TransformerEncoderLayer) -> dict:
    """The document of a layer that was made, for TransformerEncoder."""
    return {
        "type": "TransformerEncoderLayer",
        "d_model": layer.linear1.in_features,
        "nhead": layer.self_attn.num_heads,
        "dim_feedforward": layer.linear1.out_features,
        "dropout": layer.dropout.p,
        "activation": layer.activation.__name__,
        "norm_first": layer.norm_first,
        "bias": layer.linear1.bias is not None,
        **({} if given_batch_first(layer) is None else {"batch_first": given_batch_first(layer)}),
    }


def given_batch_first(layer: nn.Module) -> bool | None:
    """batch_first of a layer that was made, if it was said: true, or false of the samples that name it."""
    return True if layer.self_attn.batch_first else None


def document(kind: type, sample: ModuleInput) -> dict:
    """What the sample's constructor was called with, by name, but for what is PyTorch's default in any case.

    batch_first stays where it is named: ours has another default.
    """
    form = next(iter(typing.get_overloads(kind.__init__)), kind.__init__)
    given = sample.constructor_input
    signature = inspect.signature(form)
    bound = signature.bind(None, *given.args, **given.kwargs).arguments
    arguments = {name: plain(bound[name]) for name in list(bound)[1:]}
    return {"type": kind.__name__} | {
        name: value
        for name, value in arguments.items()
        if name == "batch_first" or value != signature.parameters[name].default
    }


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """f32 numbers in f64: both sides start from the same."""
    return tensor.detach().float().double()


def inputs_of(kind: str, sample: ModuleInput) -> list[torch.Tensor]:
    """The tensors of forward. Anything else that it is given is beyond a constructor."""
    given = sample.forward_input
    extra = [name for name, value in given.kwargs.items() if value is not None and name not in HARMLESS]
    if extra:
        raise Beyond(f"forward is given {', '.join(extra)}")
    if kind in ("RNN", "LSTM", "GRU") and len(given.args) > 1:
        raise Beyond("forward is given a state to start from")
    if not all(isinstance(value, torch.Tensor) for value in given.args):
        raise Beyond("forward is given a packed sequence")
    return list(given.args) or [given.kwargs["input"]]


def is_unbatched(kind: str, sample: ModuleInput, first: torch.Tensor) -> bool:
    if first.dim() == 0 or "no_batch_dim" in sample.desc:
        return True
    if kind in SEQUENCES:
        return first.dim() == 2
    for suffix, families in UNBATCHED.items():
        if kind.endswith(suffix) and kind[: -len(suffix)] in families:
            return first.dim() == int(suffix[0]) + 1
    if re.fullmatch(r"(Constant|Reflection|Replication|Circular|Zero)Pad[12]d", kind):
        return first.dim() == int(kind[-2]) + 1
    return False


def output_of(module: nn.Module, inputs: list[torch.Tensor]) -> torch.Tensor:
    output = module(*inputs)
    return output[0] if isinstance(output, tuple) else output


class Rows:
    """A module over rows: what PyTorch computes without a batch, or with the batch in another place, is turned."""

    def __init__(self, kind: str, module: nn.Module, sample: ModuleInput, inputs: list[torch.Tensor]) -> None:
        self.module = module
        unbatched = is_unbatched(kind, sample, inputs[0])
        # PyTorch's default of batch_first is false: there the batch of a sequence is the second dimension.
        inner = getattr(module, "self_attn", module)
        if kind == "TransformerEncoder":
            inner = module.layers[0].self_attn
        self.turned = kind in SEQUENCES and not unbatched and not inner.batch_first
        self.scalar = unbatched and inputs[0].dim() == 0
        self.add = unbatched
        self.inputs = [
            rounded(tensor) if (tensor := self.to_rows(given)).is_floating_point() else tensor for given in inputs
        ]

    def to_rows(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.scalar:
            return tensor.reshape(1, 1)
        if self.add:
            return tensor.unsqueeze(0)
        return tensor.transpose(0, 1) if self.turned else tensor

    def __call__(self, inputs: list[torch.Tensor]) -> torch.Tensor:
        """The output of rows."""
        if self.scalar:
            return output_of(self.module, [tensor.reshape(()) for tensor in inputs]).reshape(1, 1)
        if self.add:
            return output_of(self.module, [tensor.squeeze(0) for tensor in inputs]).unsqueeze(0)
        if self.turned:
            return output_of(self.module, [tensor.transpose(0, 1) for tensor in inputs]).transpose(0, 1)
        output = output_of(self.module, inputs)
        return output if output.dim() > 1 else output.unsqueeze(1)


def with_positions(tensor: torch.Tensor) -> torch.Tensor:
    """A row is at least one number: a batch of numbers becomes one of rows of one."""
    return tensor if tensor.dim() > 1 else tensor.unsqueeze(1)


def layer_sample(name: str, module: nn.Module, sample: ModuleInput, numbers: Numbers, kind: str) -> dict:
    """Outputs and gradients of a layer. The loss is the sum of |output - label|, whose slope at each output is a sign."""
    rows = Rows(kind, module, sample, inputs_of(kind, sample))
    if rows.inputs[0].numel() == 0:
        raise Beyond("the batch has no rows, or its rows no elements")
    module.load_state_dict(
        {key: rounded(value) if value.is_floating_point() else value for key, value in module.state_dict().items()}
    )
    index = not rows.inputs[0].is_floating_point()
    inputs = [tensor if index else tensor.clone().requires_grad_() for tensor in rows.inputs]
    parameters = {key: value.clone() for key, value in module.state_dict().items()}
    module.eval()
    with torch.no_grad():
        evaluated = rows(inputs)
    if evaluated.isnan().any():
        raise Beyond("the output is no number: a negative one to a broken power")
    numbers.add(f"{name}/evaluated", with_positions(evaluated))
    for key, value in parameters.items():
        numbers.add(f"{name}/parameter/{key}", value)
    module.train()
    output = rows(inputs)
    signs = torch.where(torch.rand(output.shape, dtype=torch.float64) < 0.5, -1.0, 1.0)
    labels = rounded(output - 4 * signs)
    loss = (output - labels).abs().sum()
    loss.backward()
    numbers.add(f"{name}/labels", labels)
    for at, tensor in enumerate(inputs):
        numbers.add(f"{name}/input/{at}", with_positions(tensor))
        if not index:
            numbers.add(f"{name}/input_gradient/{at}", with_positions(tensor.grad))
    for key, value in module.named_parameters():
        numbers.add(f"{name}/gradient/{key}", torch.zeros_like(value) if value.grad is None else value.grad)
    for key, value in module.named_buffers():
        numbers.add(f"{name}/after/{key}", value)
    return {"index": index, "value": loss.item()}


def loss_rows(kind: str, sample: ModuleInput) -> tuple[torch.Tensor, torch.Tensor, Callable]:
    """Outputs of rows, labels of rows, and how a module computes the loss from outputs of rows."""
    given = inputs_of(kind, sample)
    if kind in ("CosineEmbeddingLoss", "MarginRankingLoss"):
        left, right, labels = given
        left, right = with_positions(left), with_positions(right)
        width = left.shape[1]
        turned = (lambda x: x) if given[0].dim() > 1 else (lambda x: x.squeeze(1))
        return (
            torch.cat([left, right], dim=1),
            with_positions(labels),
            lambda module, z: module(turned(z[:, :width]), turned(z[:, width:]), labels),
        )
    if kind == "GaussianNLLLoss":
        mean, labels, variance = given
        width = mean.shape[1]
        outputs = torch.cat([mean, variance.expand_as(mean)], dim=1)
        return outputs, labels, lambda module, z: module(z[:, :width], labels, z[:, width:])
    outputs, labels = given
    if kind in CLASSES:
        if labels.is_floating_point():
            raise Beyond("the label is a probability for each class")
        if outputs.dim() > 2:
            raise Beyond("the output of a row has a class at each of several positions")
        if outputs.dim() == 1:
            return outputs.unsqueeze(0), labels.reshape(1, 1), lambda module, z: module(z.squeeze(0), labels)
        return outputs, labels.unsqueeze(1), lambda module, z: module(z, labels)
    if outputs.dim() == 0 or "no_batch_dim" in sample.desc or (kind.startswith("MultiLabel") and outputs.dim() == 1):
        rows = 1
    else:
        rows = outputs.shape[0]
    shape = outputs.shape
    return (
        outputs.reshape(rows, -1),
        labels.expand_as(outputs).reshape(rows, -1),
        lambda module, z: module(z.reshape(shape), labels),
    )


def loss_sample(name: str, module: nn.Module, sample: ModuleInput, numbers: Numbers, kind: str) -> dict:
    """Value of a loss and its gradient by the outputs."""
    given = sample.forward_input
    given.args = tuple(rounded(value) if value.is_floating_point() else value for value in given.args)
    outputs, labels, compute = loss_rows(kind, sample)
    if labels.isnan().any():
        raise Beyond("the label is no number: the logarithm of a negative one")
    outputs = rounded(outputs).requires_grad_()
    loss = compute(module, outputs)
    if loss.dim() > 0:
        raise Beyond("the reduction is none: the loss is no number")
    loss.backward()
    numbers.add(f"{name}/outputs", outputs)
    numbers.add(f"{name}/labels", labels)
    numbers.add(f"{name}/output_gradient", outputs.grad)
    return {"value": loss.item()}


def samples_of(info: ModuleInfo, record: Callable, numbers: Numbers) -> list[dict]:
    kind = info.module_cls
    torch.manual_seed(zlib.crc32(kind.__name__.encode()))
    samples = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=True)
    made = []
    for at, sample in enumerate(samples):
        name = f"{kind.__name__}/{at}"
        entry = {"name": name, "document": document(kind, sample)}
        given = sample.constructor_input
        module = kind(*given.args, **{**given.kwargs, **double(kind)}).double()
        try:
            entry |= record(name, module, sample, numbers, kind.__name__)
        except Beyond as reason:
            entry["beyond"] = str(reason)
        made.append(entry)
    return made


def double(kind: type) -> dict:
    form = next(iter(typing.get_overloads(kind.__init__)), kind.__init__)
    return {"dtype": torch.float64} if "dtype" in inspect.signature(form).parameters else {}


def main() -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    numbers = Numbers()
    known = {info.module_cls.__name__: info for info in module_db}
    content: dict[str, object] = {}
    absent = []
    for group, page, record in (("layers", "layers.md", layer_sample), ("losses", "losses.md", loss_sample)):
        samples: list[dict] = []
        for name in catalogue(page):
            if name in known:
                samples += samples_of(known[name], record, numbers)
            else:
                absent.append(name)
        content[group] = samples
    content["absent"] = sorted(absent)
    made = {"torch": torch.__version__.split("+")[0], "content": content}
    (HERE / "modules.json").write_text(json.dumps(made, indent=None, separators=(",", ":")) + "\n")
    numbers.write(HERE / "modules.safetensors")


if __name__ == "__main__":
    main()
