"""The builders write the documents that the native library reads."""

import inspect
import json
import re

import numpy as np
import pytest
from pyspark.ml.param import Param, Params
from pyspark.ml.tuning import ParamGridBuilder

from candlewick import EarlyStopping, nn, optim, tabular
from candlewick._convert import to_int, to_long
from candlewick._document import (
    Document,
    to_network,
    to_optimizer,
    to_scheduler,
    to_stopping,
)
from candlewick._losses import to_loss
from candlewick.errors import InvalidParameterError


def test_linear_short_and_full_forms():
    short = {"type": "Linear", "out_features": 256, "bias": True}
    full = {"type": "Linear", "in_features": 784, "out_features": 256, "bias": True}
    assert nn.Linear(256).layer() == short
    assert nn.Linear(out_features=256).layer() == short
    assert nn.Linear(784, 256).layer() == full
    assert nn.Linear(in_features=784, out_features=256).layer() == full
    assert nn.Linear(784, out_features=256).layer() == full
    assert nn.Linear(784, 256, bias=False).layer() == {**full, "bias": False}
    assert nn.Linear(784, 256, False).layer() == {**full, "bias": False}
    assert nn.Linear(256, bias=False).layer() == {**short, "bias": False}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(), "Linear is missing out_features"),
        (
            lambda: nn.Linear(1, 2, True, 4),
            "at most 3 positional arguments (in_features, out_features, bias), not 4",
        ),
        (lambda: nn.Linear(4, outs=3), "no argument 'outs'; it has in_features, out_features, bias"),
        (lambda: nn.Linear(1, 2, out_features=3), "got 'out_features' twice"),
        (lambda: nn.Sequential(nn.ReLU), "argument 0 is"),
        (lambda: nn.Sequential(nn.ReLU), "call it: add ()"),
        (lambda: nn.Sequential([nn.ReLU()], nn.ReLU()), "unpack the list: nn.Sequential(*layers)"),
        (lambda: nn.Add([nn.ReLU()]), "unpack the list: nn.Add(*layers)"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(TypeError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dropout(p=2), "Dropout: p = 2 is not legal: expected a finite number from 0 to 1"),
        (lambda: nn.Linear(-1), "Linear: out_features = -1 is not legal: expected a whole number of at least 1"),
        (lambda: nn.Linear(0, 1), "Linear: in_features = 0 is not legal"),
        (lambda: nn.Linear("x"), 'Linear: out_features = "x" is not legal'),
        (lambda: nn.Linear(2.5), "Linear: out_features = 2.5 is not legal"),
        (lambda: nn.Linear(True), "Linear: out_features = true is not legal"),
        (lambda: nn.Linear(1, bias=1), "Linear: bias = 1 is not legal: expected true or false"),
        (lambda: nn.GELU("x"), 'GELU: approximate = "x" is not legal: expected "none" or "tanh"'),
        (lambda: nn.TransformerEncoderLayer(2, activation="swish"), 'activation = "swish" is not legal'),
        (lambda: nn.Conv2d(8, (2, 2, 2)), "Conv2d: kernel_size = [2, 2, 2] is not legal"),
        (lambda: nn.Conv2d(8, 3, padding="full"), 'Conv2d: padding = "full" is not legal'),
        (lambda: nn.AdaptiveAvgPool2d((0, None)), "AdaptiveAvgPool2d: output_size = [0, null] is not legal"),
        (lambda: nn.BatchNorm1d(momentum=1.5), "expected a finite number from 0 to 1, or null"),
        (lambda: nn.MultiLoss([]), "MultiLoss: losses = [] is not legal"),
        (lambda: nn.MultiLoss([nn.MSELoss]), "MultiLoss: losses = [<class"),
        (lambda: nn.MSELoss(reduction="none"), 'MSELoss: reduction = "none" is not legal'),
        (lambda: optim.AdamW(betas=(0.9, 1.0)), "AdamW: betas = [0.9, 1.0] is not legal"),
        (lambda: optim.lr_scheduler.StepLR(0), "StepLR: step_size = 0 is not legal"),
        (lambda: nn.init.kaiming_normal_(mode="fan"), 'kaiming_normal_: mode = "fan" is not legal'),
        (lambda: nn.Concat(nn.ReLU(), dim="x"), 'Concat: dim = "x" is not legal'),
        (lambda: EarlyStopping(patience=-1), "EarlyStopping: patience = -1 is not legal"),
    ],
)
def test_a_wrong_argument_is_refused_at_its_builder(make, message):
    with pytest.raises(InvalidParameterError) as told:
        make()
    assert message in str(told.value)


def _builders(kind=Document):
    for child in kind.__subclasses__():
        yield child
        yield from _builders(child)


def test_every_argument_of_every_builder_is_checked():
    checked = 0
    for builder in _builders():
        for name, domain in builder._domains.items():
            with pytest.raises(InvalidParameterError, match=f"^{builder.__name__}: {name} = "):
                domain.check(builder.__name__, name, object())
            checked += 1
        # PyTorch's inplace is taken and has no effect.
        arguments = set(inspect.signature(builder).parameters) - {"modules", "layers", "inplace"}
        assert builder.__module__.startswith("candlewick._") or arguments == set(builder._domains), builder
    assert checked > 400


def test_bounds_are_legal():
    nn.Dropout(1), nn.Dropout(np.float32(0)), nn.Conv2d(1, 1, 1, padding=(0, 3)), nn.Conv2d(None, 1, 1)
    nn.AdaptiveAvgPool2d((None, 1)), nn.BatchNorm1d(momentum=None), nn.LayerNorm([1, 2, 3, 4])
    optim.AdamW(lr=0, betas=[0, 0.5])


def test_sequential_is_a_network_document():
    net = nn.Sequential(nn.Linear(4), nn.Sequential(nn.ReLU(), nn.Dropout(0.1)), nn.Linear(2))
    assert net.to_dict() == {
        "format": "candlewick.network/1",
        "layers": [
            {"type": "Linear", "out_features": 4, "bias": True},
            {"type": "Sequential", "layers": [{"type": "ReLU"}, {"type": "Dropout", "p": 0.1}]},
            {"type": "Linear", "out_features": 2, "bias": True},
        ],
    }
    assert json.loads(net.to_json()) == net.to_dict()
    assert len(net) == 3
    assert net[0] == nn.Linear(4)
    assert net[1:] == nn.Sequential(net[1], nn.Linear(2)) and isinstance(net[1:], nn.Sequential)
    assert nn.Concat(nn.Linear(1), nn.ReLU(), dim=1)[:1] == nn.Concat(nn.Linear(1), dim=1)


def test_repr_is_like_torch():
    net = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.ReLU()))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=8, out_features=4, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Sequential()) == "Sequential()"


def test_equality_is_by_type_and_arguments():
    assert nn.Dropout(0.5) == nn.Dropout()
    assert nn.Dropout(0.5) != nn.Dropout(0.4)
    assert nn.ReLU() != nn.Tanh()
    assert len({nn.ReLU(), nn.ReLU(), nn.Tanh()}) == 2


def test_defaults_are_those_of_torch():
    assert optim.AdamW().to_dict() == {
        "type": "AdamW",
        "lr": 0.001,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.01,
        "amsgrad": False,
        "maximize": False,
        "groups": None,
    }
    assert optim.SGD(0.1, momentum=0.9, nesterov=True).to_dict()["momentum"] == 0.9
    loss = nn.CrossEntropyLoss().to_dict()
    assert loss == {
        "type": "CrossEntropyLoss",
        "weight": None,
        "ignore_index": -100,
        "reduction": "mean",
        "label_smoothing": 0.0,
    }


def test_numpy_numbers_become_plain_ones():
    net = nn.Sequential(nn.Linear(np.int64(3)), nn.Dropout(np.float32(0.5)))
    assert json.loads(net.to_json())["layers"][0]["out_features"] == 3


def test_converters_take_objects_dictionaries_and_texts():
    net = nn.Sequential(nn.Linear(3))
    assert to_network(net) == net.to_json()
    assert json.loads(to_network(net.to_dict())) == net.to_dict()
    assert to_network(net.to_json()) == net.to_json()
    assert json.loads(to_loss(nn.MSELoss()))["type"] == "MSELoss"
    assert json.loads(to_optimizer({"type": "SGD", "lr": 1}))["type"] == "SGD"


def test_a_name_stands_for_what_needs_no_arguments():
    assert to_optimizer("adam") == optim.Adam().to_json()
    assert to_optimizer("ADAMW") == optim.AdamW().to_json()
    assert to_loss("crossentropyloss") == nn.CrossEntropyLoss().to_json()


def test_what_parameters_hold_shows_itself_in_short():
    net = nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Dropout(0.2), nn.Sequential(nn.Linear(3, bias=False)))
    grid = ParamGridBuilder().addGrid(Param(Params._dummy(), "n", "", to_network), [net]).build()
    assert (
        repr(list(grid[0].values()))
        == "[Sequential(Linear(8), ReLU(), Dropout(p=0.2), Sequential(Linear(3, bias=False)))]"
    )
    assert repr(to_optimizer(optim.AdamW(lr=0.5))) == "AdamW(lr=0.5)"
    assert repr(to_optimizer(optim.AdamW())) == "AdamW()"
    assert repr(to_network({"format": "candlewick.network/1", "nodes": [{}, {}]})) == "Graph(2 nodes)"
    assert len(repr(to_network(nn.Sequential(*[nn.Linear(8)] * 100)))) <= 160
    assert json.loads(to_optimizer("adam"))["type"] == "Adam", "it is the JSON text all the same"


def torchs(module, name):
    """An object of a class of PyTorch's, which is not installed here."""
    return type(name, (), {"__module__": f"torch.{module}"})()


@pytest.mark.parametrize(
    ("convert", "value", "ours"),
    [
        (to_loss, torchs("nn.modules.loss", "CrossEntropyLoss"), "nn.CrossEntropyLoss"),
        (to_loss, type(torchs("nn.modules.loss", "MSELoss")), "nn.MSELoss"),
        (to_loss, {"kind": torchs("nn.modules.loss", "MSELoss")}, "nn.MSELoss"),
        (nn.LossTerm, torchs("nn.modules.loss", "MSELoss"), "nn.MSELoss"),
        (to_optimizer, torchs("optim.adam", "Adam"), "optim.Adam"),
        (to_scheduler, torchs("optim.lr_scheduler", "StepLR"), "optim.lr_scheduler.StepLR"),
    ],
)
def test_objects_of_pytorch_are_told_what_ours_are(convert, value, ours):
    with pytest.raises((TypeError, InvalidParameterError)) as told:
        convert(value)
    assert str(told.value).endswith(f"; that is PyTorch's: take {ours} of `from candlewick import nn, optim`")


def test_what_only_pytorch_has_is_told_so():
    def cross_entropy(): ...

    cross_entropy.__module__ = "torch.nn.functional"
    with pytest.raises(TypeError, match=r"PyTorch's cross_entropy, and Candlewick has none of this name$"):
        to_loss(cross_entropy)
    with pytest.raises(TypeError, match=r"PyTorch's LBFGS, and Candlewick has none"):
        to_optimizer(torchs("optim.lbfgs", "LBFGS"))
    with pytest.raises(TypeError, match=r"nn\.from_torch\(module\) reads a module of PyTorch$"):
        to_network(torchs("nn.modules.linear", "Linear"))


def test_converters_say_what_they_wanted():
    with pytest.raises(TypeError, match=r"expected nn\.Sequential\(\.\.\.\).*not SGD"):
        to_network(optim.SGD())
    with pytest.raises(TypeError, match="call it: add"):
        to_loss(nn.MSELoss)
    with pytest.raises(
        ValueError, match=r"expected an optimiser such as optim\.AdamW.* not 'adamx'; did you mean 'Adamax'\?"
    ):
        to_optimizer("adamx")
    with pytest.raises(ValueError, match=r"not 'x'$"):
        to_loss("x")
    with pytest.raises(ValueError, match=r"StepLR cannot be given by its name alone: .*'step_size'"):
        to_scheduler("steplr")
    with pytest.raises(ValueError, match="the text is not JSON"):
        to_optimizer('{"type": ')
    with pytest.raises(ValueError, match="not a JSON object"):
        to_optimizer("[1]")


def test_early_stopping_is_a_document():
    rule = EarlyStopping("val_accuracy", patience=5, restoreBest=False)
    wanted = {"type": "EarlyStopping", "metric": "val_accuracy", "patience": 5, "minDelta": 0.0, "mode": "auto"}
    assert json.loads(to_stopping(rule)) == {**wanted, "restoreBest": False}
    assert json.loads(to_stopping({"metric": "loss"})) == {"metric": "loss"}
    with pytest.raises(TypeError, match="expected a rule such as EarlyStopping"):
        to_stopping(3)


def test_rules_of_initialisation_are_part_of_the_network():
    net = nn.Sequential(nn.Linear(2), nn.Linear(1))
    named = net.with_init({"*.weight": nn.init.kaiming_normal_(nonlinearity="relu")}).with_init(
        {("*.bias", "x"): nn.init.constant_(val=0.5)}
    )
    assert named.to_dict() == {
        **net.to_dict(),
        "init": [
            {"params": "*.weight", "type": "kaiming_normal_", "a": 0, "mode": "fan_in", "nonlinearity": "relu"},
            {"params": ["*.bias", "x"], "type": "constant_", "val": 0.5},
        ],
    }
    assert "init" not in net.to_dict(), "the network itself is as it was"
    with pytest.raises(TypeError, match=r"call it: add \(\)"):
        net.with_init({"*": nn.init.zeros_})
    with pytest.raises(TypeError, match="summary needs input_shape"):
        net.summary()


def test_numbers_that_are_not_finite_are_named():
    with pytest.raises(
        InvalidParameterError, match="SGD: lr = inf is not legal: expected a finite number of at least 0"
    ):
        optim.SGD(lr=float("inf"))
    with pytest.raises(InvalidParameterError, match=r"CrossEntropyLoss: weight = \[1.0, nan\] is not legal"):
        nn.CrossEntropyLoss(weight=[1.0, float("nan")])
    with pytest.raises(InvalidParameterError, match="SGD: groups = "):
        optim.SGD(0.1, groups=[{"params": "0.*", "lr": float("nan")}])
    with pytest.raises(ValueError, match="nan is not allowed; the number must be finite"):
        to_optimizer({"type": "SGD", "lr": float("nan")})
    assert nn.CrossEntropyLoss(weight=np.ones(2)).to_dict()["weight"] == [1.0, 1.0]


def test_whole_numbers_fit_java():
    assert to_int(2**31 - 1) == 2**31 - 1 and to_long(-(2**63)) == -(2**63)
    assert (to_int(np.int32(64)), to_long(np.uint8(7)), type(to_int(np.int16(1)))) == (64, 7, int)
    with pytest.raises(TypeError, match="outside of"):
        to_int(2**31)
    with pytest.raises(TypeError, match="outside of"):
        to_long(2**63)


def test_a_loss_for_each_output_by_its_name():
    losses = {"digit": nn.CrossEntropyLoss(), "size": nn.LossTerm(nn.MSELoss(), weight=0.5, label=["w", "h"])}
    wanted = nn.MultiLoss(
        [
            nn.LossTerm(nn.CrossEntropyLoss(), output="digit"),
            nn.LossTerm(nn.MSELoss(), weight=0.5, output="size", label=["w", "h"]),
        ]
    )
    assert to_loss(losses) == wanted.to_json()
    # A dictionary with a type is a document.
    assert json.loads(to_loss({"type": "MSELoss"})) == {"type": "MSELoss"}
    with pytest.raises(InvalidParameterError, match="the output 'a' is a MultiLoss; give the whole loss as one"):
        to_loss({"a": nn.MultiLoss([nn.MSELoss()])})
    with pytest.raises(InvalidParameterError, match="the output 'a' is a LossTerm over the output 'b'"):
        to_loss({"a": nn.LossTerm(nn.MSELoss(), output="b")})
    with pytest.raises(TypeError, match=r"a loss such as nn.MSELoss\(\) for the output 'a', not 3"):
        to_loss({"a": 3})
    for output in ([], [1], 3):
        with pytest.raises(InvalidParameterError, match="expected a text, or a list of at least one, or null"):
            nn.LossTerm(nn.MSELoss(), output=output)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: optim.AdamW(learning_rate=0.1), "AdamW has no argument 'learning_rate'; it has lr, betas, eps, "),
        (lambda: nn.CrossEntropyLoss(wieght=[1.0]), "CrossEntropyLoss has no argument 'wieght'; it has weight, "),
        (lambda: optim.lr_scheduler.StepLR(3, gama=0.5), "StepLR has no argument 'gama'; it has step_size, gamma"),
        (lambda: nn.Tanh(dim=1), "Tanh has no argument 'dim'; it has none"),
        (lambda: EarlyStopping(patiense=3), "EarlyStopping has no argument 'patiense'; it has metric, patience"),
        (lambda: nn.Linear(units=3), "Linear has no argument 'units'; it has in_features, out_features, bias"),
    ],
)
def test_an_unknown_argument_is_told_which_there_are(make, told):
    with pytest.raises(TypeError, match=f"^{told}"):
        make()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: optim.AdamW(learning_rate=0.1), "did you mean 'lr'?"),
        (lambda: optim.AdamW(fused=True), "groups; the update is always made for all parameters at once"),
        (lambda: optim.SGD(params=[], lr=1), "; an optimiser is for the parameters of the network"),
        (lambda: optim.lr_scheduler.StepLR(3, gama=0.5), "did you mean 'gamma'?"),
        (lambda: optim.lr_scheduler.StepLR(3, last_epoch=-1), "; a schedule is for the optimizer of its estimator"),
        (lambda: EarlyStopping(monitor="val_loss"), "did you mean 'metric'?"),
        (lambda: EarlyStopping(restore_best_weights=True), "did you mean 'restoreBest'?"),
        (lambda: nn.Linear(units=3), "did you mean 'out_features'?"),
        (lambda: nn.Linear(3, 4, device="cuda"), "is said of the estimator: device, precision"),
        (lambda: nn.ReLU(dtype="float32"), "is said of the estimator: device, precision"),
        (lambda: nn.MSELoss(size_average=False), "it has reduction; reduction says both"),
        (lambda: nn.MSELoss("sum"), "MSELoss takes no argument by position, not 1: give reduction by name"),
        (lambda: nn.Tanh(1), "Tanh takes no argument by position, not 1"),
        (
            lambda: EarlyStopping("a", 3, 0.0, "auto", True, 1),
            "by position (metric, patience, minDelta, mode, restoreBest), not 6",
        ),
        (lambda: optim.AdamW([], 1e-3), ": optim.AdamW(lr=1e-3)"),
        (lambda: optim.AdamW(iter([1])), "AdamW is for the parameters of the network, which are not given"),
    ],
)
def test_what_pytorch_and_keras_call_it_is_told(make, told):
    with pytest.raises((TypeError, InvalidParameterError), match=re.escape(told)):
        make()


def test_a_line_of_pytorch_may_say_inplace() -> None:
    for written, plain in [
        (nn.ReLU(inplace=True), nn.ReLU()),
        (nn.ReLU(True), nn.ReLU()),
        (nn.Dropout(0.3, True), nn.Dropout(0.3)),
        (nn.LeakyReLU(0.2, inplace=True), nn.LeakyReLU(0.2)),
    ]:
        assert written == plain and "inplace" not in repr(written)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (tabular(["age"]), r"tabular(...).head(nn.Linear(...)) is a network"),
        (nn.Linear(2)(nn.Input("x", [3])), "nn.Graph(inputs, outputs) makes a network"),
        ([nn.Linear(2)], "nn.Sequential(*layers) makes a network"),
    ],
)
def test_a_part_of_a_network_is_told_what_makes_it_one(part, told):
    with pytest.raises(TypeError, match=re.escape(told)):
        to_network(part)
