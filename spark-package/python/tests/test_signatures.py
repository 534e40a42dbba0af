"""The builders are called as PyTorch's classes are: golden/signatures.json has the signatures of torch (`make golden`)."""

import inspect
import json
import pathlib
import pydoc
import re
import typing

import pytest

from candlewick import nn, optim
from candlewick._document import Document, full_form
from candlewick.optim import lr_scheduler

HERE = pathlib.Path(__file__).parent
TORCH = json.loads((HERE / "golden" / "signatures.json").read_text())
DOCS = HERE.parents[2] / "docs"

HOME = {"nn": nn, "optim": optim, "lr_scheduler": lr_scheduler, "init": nn.init}

#: Arguments of torch that no builder has, and why.
LEFT_OUT = {
    "device": "where a network is computed is a parameter of the fit",
    "dtype": "numbers are float32; precision is a parameter of the fit",
    "return_indices": "a layer has one output",
    "size_average": "deprecated in PyTorch: reduction says it",
    "reduce": "deprecated in PyTorch: reduction says it",
    "foreach": "a choice between implementations of PyTorch",
    "fused": "a choice between implementations of PyTorch",
    "capturable": "for CUDA graphs",
    "differentiable": "gradients of gradients are not computed",
    "params": "the parameters are those of the network; groups names some of them",
    "optimizer": "the optimiser is a parameter of the fit",
    "last_epoch": "a fit starts at the beginning",
    "tensor": "Module.with_init says which parameters start so",
    "generator": "the seed is a parameter of the fit",
}

#: Arguments of single classes of torch that ours do not have, and why.
LEFT_OUT_OF = {
    "Embedding": dict.fromkeys(
        ("max_norm", "norm_type", "scale_grad_by_freq", "sparse", "_weight", "_freeze"),
        "gradients of tables are sparse; weights come with initialWeights, frozen ones with a group",
    ),
    "EmbeddingBag": dict.fromkeys(
        ("max_norm", "norm_type", "scale_grad_by_freq", "sparse", "_weight", "include_last_offset"),
        "gradients of tables are sparse; a bag is the last dimension of its input",
    ),
    "Hardtanh": dict.fromkeys(("min_value", "max_value"), "deprecated in PyTorch: min_val and max_val"),
    "MultiheadAttention": dict.fromkeys(("add_bias_kv", "add_zero_attn"), "not built"),
    "TransformerEncoder": {
        "enable_nested_tensor": "a choice between implementations of PyTorch",
        "mask_check": "a choice between implementations of PyTorch",
    },
    "Upsample": {
        "align_corners": "only nearest is built, to which it does not apply",
        "recompute_scale_factor": "sizes follow from the factor when the network is made",
    },
}

#: Arguments whose default is not torch's, and why.
OTHER_DEFAULT = {
    "batch_first": "a row of the data is a sequence: the batch is always the first dimension",
    "Softmax.dim": "torch guesses and warns; -1 is what it guesses for rows of a vector",
    "LogSoftmax.dim": "torch guesses and warns; -1 is what it guesses for rows of a vector",
    "Softmin.dim": "torch guesses and warns; -1 is what it guesses for rows of a vector",
}

#: Arguments that torch does not have, and why ours do; all by keyword only.
OURS = {
    "scope": "what BatchNorm normalises together, over trainers",
    "output": "torch returns all steps and the last one; a layer has one output",
    "is_causal": "an argument of forward in torch",
    "log_variance": "a numerically safe form of GaussianNLLLoss",
    "groups": "torch's groups are part of params",
    "interval": "by epoch or step; in torch, where scheduler.step() is called",
    "warmup_steps": "torch's SequentialLR with LinearLR",
    "warmup_start_factor": "torch's SequentialLR with LinearLR",
    "metric": "what is handed to scheduler.step in torch",
    "input": "EmbeddingBag over a vector of counts; in torch indices, offsets and per_sample_weights of forward",
}

#: Classes of the catalogue that torch does not have.
NOT_TORCH = {
    "nn": {
        "Add", "Concat", "Eq", "LearnedPositionalEncoding", "LossTerm", "MultiLoss", "Multiply", "Permute",
        "PositionalEncoding", "QuantileLoss", "Reshape", "Residual",
    },
    "optim": {"LAMB", "LARS", "Lion"},
    "lr_scheduler": set(),
    "init": set(),
}  # fmt: skip

#: torch takes anything here and uses none of it.
TAKES_ALL = {"Identity", "LogSigmoid", "Sigmoid", "Softsign", "Tanh", "Tanhshrink"}


def ours() -> list[tuple[str, str, type]]:
    """Every class of the catalogue that torch has too: package, name, class."""
    found = []
    for package, home in HOME.items():
        for name in sorted(set(home.__all__) - NOT_TORCH[package]):
            kind = getattr(home, name)
            if isinstance(kind, type) and issubclass(kind, Document) and name not in SPECIAL:
                found.append((package, name, kind))
    return found


#: What the packages export beside the catalogue.
SPECIAL = {
    "Graph", "Initializer", "LRScheduler", "Loss", "Module", "Optimizer", "Sequential",
}  # fmt: skip

CLASSES = ours()
BY_NAME = [pytest.param(package, name, kind, id=f"{package}.{name}") for package, name, kind in CLASSES]


def torch_arguments(package: str, name: str) -> list[dict]:
    """What torch takes, without what is left out everywhere or here."""
    assert name in TORCH["content"][package], f"{package}.{name} is not in torch: is it one of NOT_TORCH?"
    arguments = TORCH["content"][package][name]
    return [] if name in TAKES_ALL else arguments


def is_left_out(name: str, argument: str) -> bool:
    return argument in LEFT_OUT or argument in LEFT_OUT_OF.get(name, {})


def same(left: object, right: object) -> bool:
    """Equality of defaults: 1 is 1.0, a tuple is a list, True is not 1."""
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right and isinstance(left, bool) == isinstance(right, bool)


@pytest.mark.parametrize(("package", "name", "kind"), BY_NAME)
def test_names_order_and_defaults(package, name, kind):
    torch = torch_arguments(package, name)
    known = {argument["name"]: argument for argument in torch}
    mine = list(inspect.signature(kind).parameters.values())
    names = [parameter.name for parameter in mine]
    missing = [each for each in known if each not in names and not is_left_out(name, each)]
    assert not missing, f"torch has {missing}: build them, or say in LEFT_OUT_OF why not"
    # What torch drops before the first argument (params, optimizer, tensor) shifts all positions alike.
    leading = [each for each in known if each in ("params", "optimizer", "tensor")]
    positions = [each for each in known if each not in leading and not known[each].get("keyword")]
    # Instances of one type of argument, such as schedulers, are given one by one nowhere in torch.
    for at, parameter in enumerate(mine):
        if parameter.name not in known:
            assert parameter.name in OURS, f"torch has no {parameter.name}"
            assert parameter.kind is parameter.KEYWORD_ONLY, f"{parameter.name} takes a position that torch may use"
            continue
        argument = known[parameter.name]
        if parameter.kind is not parameter.KEYWORD_ONLY:
            assert positions[at] == parameter.name, f"position {at + 1} is {positions[at]} in torch"
        elif not argument.get("keyword"):
            before = positions[: positions.index(parameter.name)]
            holes = [each for each in before if each not in names or inspect_kind(mine, each) is parameter.KEYWORD_ONLY]
            assert holes, f"{parameter.name} can be given by position in torch"
        default = None if parameter.default is parameter.empty else parameter.default
        if f"{name}.{parameter.name}" in OTHER_DEFAULT or parameter.name in OTHER_DEFAULT:
            continue
        assert ("default" in argument) == (parameter.default is not parameter.empty), parameter.name
        assert same(default, argument.get("default")), f"{parameter.name} = {argument.get('default')} in torch"


def inspect_kind(parameters: list[inspect.Parameter], name: str) -> object:
    return next(parameter.kind for parameter in parameters if parameter.name == name)


@pytest.mark.parametrize(("package", "name", "kind"), BY_NAME)
def test_positions_reach_the_document(package, name, kind, monkeypatch):
    """The full form in torch's order: every value arrives under its name."""
    # The values only have to be told apart.
    monkeypatch.setattr(kind, "_domains", {})
    positional = [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    values = [1000 + at for at in range(len(positional))]
    made = kind(*values)
    if positional[-1:] == ["inplace"]:
        # The engine itself knows which results it may overwrite.
        assert positional.pop() not in made._arguments
    assert [made._arguments[each] for each in positional] == values[: len(positional)]
    with pytest.raises(TypeError):
        kind(*values, 1)


def inferred_by_the_catalogue() -> dict[str, set[str]]:
    """Sizes of the input that may be left out, by layer, as the catalogue's page has them."""
    found = {}
    for section in (DOCS / "layers.md").read_text().split("\n### ")[1:]:
        name = section.split("\n", 1)[0]
        found[name] = set(re.findall(r"^\| `(\w+)` \| inferred \|", section, re.MULTILINE))
    return found


def test_the_short_form_leaves_sizes_of_the_input_out_and_nothing_else():
    inferred = inferred_by_the_catalogue()
    checked = 0
    for package, name, kind in CLASSES:
        forms = typing.get_overloads(kind.__init__)
        if not forms:
            continue
        short, full = (inspect.signature(form).parameters for form in forms)
        sizes = set(full) - set(short)
        assert sizes and sizes <= inferred[name], f"{package}.{name}"
        rest = [each for each in full if each not in sizes]
        assert list(short) == rest, f"{name}: the short form has another order"
        required = [each for each in rest[1:] if full[each].default is inspect.Parameter.empty]
        made = kind(*[7 + at for at in range(len(required))])
        assert [made._arguments[each] for each in required] == [7 + at for at in range(len(required))], name
        checked += 1
    assert checked > 15


def test_group_norm_is_called_as_in_torch():
    assert nn.GroupNorm(2, 8).layer() == nn.GroupNorm(num_groups=2, num_channels=8).layer()
    assert nn.GroupNorm(8).layer()["num_groups"] == 8
    assert "num_channels" not in nn.GroupNorm(8).layer()


def test_exceptions_are_needed():
    """No exception stays on the lists when its reason is gone."""
    mine = {name: set(inspect.signature(kind).parameters) for _, name, kind in CLASSES}
    torch = {name: {each["name"] for each in torch_arguments(package, name)} for package, name, _ in CLASSES}
    for argument in LEFT_OUT:
        assert any(argument in torch[name] - mine[name] for name in mine), argument
    for name, arguments in LEFT_OUT_OF.items():
        for argument in arguments:
            assert argument in torch[name] - mine[name], f"{name}.{argument}"
    for argument in OURS:
        assert any(argument in mine[name] - torch[name] for name in mine), argument
    for package, names in NOT_TORCH.items():
        for name in names:
            assert hasattr(HOME[package], name) and name not in TORCH["content"][package], name


def test_help_shows_the_arguments_and_not_args_and_kwargs():
    told = pydoc.plain(pydoc.render_doc(nn.Conv2d))
    assert "__init__(self, in_channels: 'int', out_channels: 'int', kernel_size: 'int | Sequence[int]', stride" in told
    assert "*args" not in told and "**kwargs" not in told


def test_python_without_overloads_knows_the_same_arguments():
    """Python 3.10 does not keep a function's overloads: what the class says takes their place, without types."""
    checked = 0
    for _, name, kind in CLASSES:
        if not kind._full:
            continue
        with_types, without = (list(full_form(kind, forms).parameters.values()) for forms in (overloads(kind), ()))
        said = [(one.name, one.kind, one.default) for one in without]
        assert said == [(one.name, one.kind, one.default) for one in with_types], name
        checked += 1
    assert checked > 15


def overloads(kind: type) -> list:
    return typing.get_overloads(kind.__init__)
