"""Networks there and back: read from documents, taken apart, put together anew. No JVM."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import typing
from typing import Any

import pytest

from candlewick import EarlyStopping, nn, optim
from candlewick._document import Container, Document, to_network
from candlewick._reading import as_loss, as_optimizer, as_scheduler, as_stopping
from candlewick.errors import InvalidParameterError
from candlewick.optim import lr_scheduler

#: Values of arguments that have to be given, by the start of their type.
VALUES: dict[str, Any] = {
    "int": 2,
    "float": 0.5,
    "str": "*",
    "Sequence[int]": [1, 2],
    "Sequence[float]": [0.5],
    "Module": nn.TransformerEncoderLayer(8, 2),
    "Loss": nn.MSELoss(),
    "Sequence[Loss]": [nn.LossTerm(nn.MSELoss(), outputs=[0, 1])],
    "Sequence[LRScheduler]": [lr_scheduler.StepLR(3), lr_scheduler.ConstantLR()],
}


def forms(kind: type) -> list[inspect.Signature]:
    """The short and the full form of a builder."""
    overloads = typing.get_overloads(kind.__init__)
    return [inspect.signature(one) for one in overloads] or [inspect.signature(kind)]


def made(kind: type, form: inspect.Signature, *, other: bool) -> Any:
    """One with every argument that has to be given; `other`: and with the opposite of every default that is true or false."""
    named = {}
    for name, parameter in form.parameters.items():
        if name == "self" or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.default is parameter.empty:
            named[name] = VALUES[parameter.annotation.split(" |")[0]]
        elif other and isinstance(parameter.default, bool) and name != "batch_first":
            named[name] = not parameter.default
    inner = [nn.ReLU(), nn.Sequential(nn.Linear(3))] if issubclass(kind, Container) else []
    return kind(*inner, **named)


def catalogue(*packages: Any) -> list[Any]:
    found = [getattr(package, name) for package in packages for name in package.__all__]
    bases = {"Module", "Loss", "Optimizer", "LRScheduler", "Initializer", "Graph"}
    kinds = [one for one in found if isinstance(one, type) and issubclass(one, Document) and one.__name__ not in bases]
    return [pytest.param(kind, id=kind.__name__) for kind in kinds]


@pytest.mark.parametrize("other", [False, True], ids=["defaults", "opposite"])
@pytest.mark.parametrize("kind", [one for one in catalogue(nn) if issubclass(one.values[0], nn.Module)])
def test_every_layer_is_read_as_it_was_written(kind: type, other: bool) -> None:
    for form in forms(kind):
        net = nn.Sequential(made(kind, form, other=other), nn.Residual(nn.Linear(2)))
        again = nn.from_json(net.to_json())
        assert again == net
        assert repr(again).replace("[", "(").replace("]", ")") == repr(net).replace("[", "(").replace("]", ")")
        assert nn.from_json(net.to_dict()) == net


READERS: dict[Any, Any] = {nn.Loss: as_loss, optim.Optimizer: as_optimizer, lr_scheduler.LRScheduler: as_scheduler}


@pytest.mark.parametrize(
    "kind", [one for one in catalogue(nn, optim, lr_scheduler) if not issubclass(one.values[0], nn.Module)]
)
def test_losses_optimizers_and_schedules_too(kind: type) -> None:
    for form in forms(kind):
        document = made(kind, form, other=False)
        read = next(reader for parent, reader in READERS.items() if isinstance(document, parent))
        again = read(document.to_json())
        assert again == document and type(again) is kind


def test_the_catalogue_is_there() -> None:
    assert len(catalogue(nn)) > 90 and len(catalogue(optim, lr_scheduler)) > 20
    assert as_stopping('{"metric": "loss", "mode": "min"}') == EarlyStopping("loss", mode="min")
    groups = optim.AdamW(groups=[{"params": "0.*", "frozen": True}])
    assert as_optimizer(groups.to_json()) == groups


def graph() -> nn.Graph:
    user, item = nn.Input("user", [8]), nn.Input("item", [4])
    wide = nn.Concat()(user, item)
    hidden = nn.ReLU()(nn.Linear(16)(wide), name="hidden")
    return nn.Graph([user, item], {"score": nn.Linear(1)(hidden), "code": hidden, "again": wide})


def test_a_graph_is_read_with_its_names() -> None:
    net = graph().with_init({"score.*": nn.init.zeros_()})
    again = nn.from_json(net.to_json())
    assert again == net and isinstance(again, nn.Graph)
    assert "\n  init 'score.*': zeros_()\n) -> score, code, again" in repr(again)
    assert again.to_dict() == net.to_dict()


def test_layers_that_are_shared_stay_shared() -> None:
    left, right = nn.Input("left", [4]), nn.Input("right", [4])
    tower = nn.Sequential(nn.Linear(3), nn.Tanh())
    joined = nn.Multiply()(tower(left, name="tower"), tower(right))
    net = nn.Graph([left, right], {"score": nn.Linear(1)(joined)})
    again = nn.from_json(net.to_json())
    assert again == net and "(sequential_1): tower again(right)" in repr(again)
    assert 'left">tower of right</td>' in again._repr_html_()
    document = net.to_dict()
    document["nodes"][1]["shares"] = "score"
    with pytest.raises(InvalidParameterError, match="earlier node with a layer, got 'score'"):
        nn.from_json(document)


def test_masks_of_padding_are_read() -> None:
    words = nn.Input("words", [5])
    code = nn.Embedding(9, 4)(words)
    net = nn.Graph(words, {"out": nn.Linear(1)(nn.GRU(3, output="last")(code, padding_mask=nn.Eq(0)(words)))})
    assert nn.from_json(net.to_json()) == net


def test_rules_of_initialisation_survive() -> None:
    net = nn.Sequential(nn.Linear(2), nn.Linear(1))
    ruled = net.with_init({"*.weight": nn.init.kaiming_normal_(), ("0.bias", "1.bias"): nn.init.constant_(0.5)})
    again = nn.from_json(ruled.to_json())
    assert isinstance(again, nn.Sequential) and again == ruled != net
    assert again.to_dict()["init"] == ruled.to_dict()["init"]
    assert again.with_init({"x": nn.init.zeros_()}).to_dict()["init"][:2] == ruled.to_dict()["init"]
    assert "init '*.weight': kaiming_normal_(" in repr(ruled)
    assert "init ['0.bias', '1.bias']: constant_(val=0.5)" in repr(ruled)
    # A document may leave defaults out.
    short = {**net.to_dict(), "init": [{"params": "*", "type": "zeros_"}]}
    assert nn.from_json(short) == net.with_init({"*": nn.init.zeros_()})


def test_a_slice_is_a_sequential_that_can_be_put_into_another() -> None:
    net = nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(3))
    body = net[:-1]
    assert isinstance(body, nn.Sequential) and body == nn.Sequential(nn.Linear(8), nn.ReLU())
    assert nn.Sequential(*body, nn.Linear(5)) == nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(5))
    assert body + nn.Sequential(nn.Linear(5)) == nn.Sequential(*body, nn.Linear(5))
    assert [type(layer) for layer in net] == [nn.Linear, nn.ReLU, nn.Linear]
    assert net[-1] == nn.Linear(3) and len(net[1:]) == 2 and net[::-1][0] == nn.Linear(3)
    assert nn.Sequential([nn.Linear(8), nn.ReLU()]) == body
    assert nn.Sequential(body, nn.Linear(3))[0] == body
    with pytest.raises(TypeError):
        body + nn.Linear(5)  # type: ignore[operator]
    with pytest.raises(IndexError):
        net[3]


def test_rules_of_initialisation_follow_the_layers_of_a_slice() -> None:
    zeros, ones = nn.init.zeros_(), nn.init.ones_()
    net = nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(3)).with_init(
        {"0.weight": zeros, ("2.weight", "0.bias"): ones, "*.bias": zeros}
    )
    assert [rule["params"] for rule in net[1:].to_dict()["init"]] == [["1.weight"], "*.bias"]
    assert net[:-1].to_dict()["init"][0] == net.to_dict()["init"][0]
    assert net[:] == net
    with pytest.raises(ValueError, match=r"pattern '\?.weight' cannot follow layers.*call with_init on the part"):
        nn.Sequential(nn.Linear(1), nn.ReLU()).with_init({"?.weight": zeros})[:1]
    with pytest.raises(ValueError, match="call with_init on the part"):
        nn.Concat(nn.Linear(1)).with_init({"*": zeros})[:1]


def test_rules_of_a_part_are_not_lost_silently() -> None:
    ruled = nn.Sequential(nn.Linear(2)).with_init({"*": nn.init.zeros_()})
    with pytest.raises(ValueError, match="call with_init on the outermost network"):
        nn.Sequential(ruled, nn.ReLU())
    with pytest.raises(ValueError, match="call with_init on the outermost network"):
        ruled(nn.Input("x"))
    with pytest.raises(ValueError, match="call with_init on the outermost network"):
        nn.Sequential(nn.ReLU()) + ruled
    assert "init" not in nn.Sequential(*ruled, nn.ReLU()).to_dict()


def network(*layers: Any) -> dict[str, Any]:
    return {"format": "candlewick.network/1", "layers": list(layers)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "the network: the text is not JSON"),
        ("[]", "expected a JSON object"),
        ({"layers": []}, 'expected "format": "candlewick.network/1", got \'none\''),
        ({"format": "candlewick.network/1"}, 'the list "layers" is missing'),
        (network({"type": "Lineer"}), "layers.0: there is no Module of type 'Lineer'; did you mean 'Linear'?"),
        (network({"type": "MSELoss"}), "layers.0: there is no Module of type 'MSELoss'"),
        (network(nn.ReLU().layer(), 3), "layers.1: expected an object with a type, got 3"),
        (network({"type": "Sequential", "layers": [{}]}), "layers.0.layers.0: there is no Module of type None"),
        (network({"type": "Linear"}), "layers.0: Linear is missing out_features"),
        (network({"type": "Linear", "out_features": 1, "x": 2}), "Linear has no argument 'x'; it has in_features"),
        (network({"type": "ReLU", "x": 2}), "ReLU has no argument 'x'; it has none"),
        (network({"type": "Linear", "out_features": 0}), "layers.0: Linear: out_features = 0 is not legal"),
        ({**graph().to_dict(), "outputs": ["x"]}, "outputs: there is no node 'x'; there are user, item, again"),
        (
            {**graph().to_dict(), "nodes": [{"name": "a", "inputs": ["b"], "layer": {"type": "ReLU"}}]},
            "nodes.0 (a): there is no input or earlier node 'b'; there are user, item",
        ),
        ({**network(), "init": [3]}, "init.0: expected an object with a type and params, got 3"),
        ({**network(), "init": [{"params": "*", "type": "ones"}]}, "init.0: there is no Initializer of type 'ones'"),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(document: Any, message: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        nn.from_json(document)
    assert message in str(told.value)


def test_networks_are_copied_and_pickled() -> None:
    for net in (graph(), nn.Sequential(nn.Linear(2)).with_init({"*": nn.init.zeros_()})):
        assert copy.deepcopy(net) == net == pickle.loads(pickle.dumps(net))
        assert json.loads(net.to_json()) == net.to_dict()


def test_a_layer_that_stands_at_two_places_has_its_weights_once() -> None:
    linear = nn.Linear(4)
    block = nn.Sequential(linear, nn.Tanh(), linear)
    shared = nn.Sequential(block, nn.Residual(block, nn.ReLU()), linear, nn.Linear(2))
    layers = shared.to_dict()["layers"]
    assert layers[0]["layers"][2] == {"shares": "0.0"}
    assert layers[1]["layers"][0] == {"shares": "0"} and layers[2] == {"shares": "0.0"}
    again = nn.from_json(shared.to_json())
    assert again == shared and again[1][0] is again[0] and again[2] is again[0][0]
    # Taken apart, the place of the first is another one.
    rest = again[1:].to_dict()["layers"]
    assert rest[0]["layers"][0]["layers"][2] == rest[1] == {"shares": "0.0.0"}
    assert nn.Sequential(linear, linear) != nn.Sequential(linear, nn.Linear(4))
    assert nn.Sequential(linear, nn.Tanh()) == nn.Sequential(nn.Linear(4), nn.Tanh())
    assert "layer 0.0 again" in repr(to_network(shared))
    with pytest.raises(
        InvalidParameterError, match=r'layers.1: "shares" must be the place of an earlier layer, such as'
    ):
        nn.from_json({"format": "candlewick.network/1", "layers": [{"type": "ReLU"}, {"shares": "1"}]})


def test_parts_of_a_graphs_nodes_are_shared_too() -> None:
    x = nn.Input("x", 4)
    linear = nn.Linear(4)
    first = nn.Sequential(linear, nn.Tanh())(x)
    graph = nn.Graph(x, {"y": linear(nn.Sequential(linear, nn.ReLU())(first))})
    nodes = graph.to_dict()["nodes"]
    assert nodes[1]["layer"]["layers"][0] == nodes[2]["layer"] == {"shares": "sequential_1.0"}
    assert nn.from_json(graph.to_json()) == graph
    assert "sequential_1.0 again(sequential_2)" in repr(graph) and "sequential_1.0" in graph._repr_html_()
