"""Writes combinations.json: losses behind the layers that they are made for. `make golden` runs it.

Cases of one ``group`` are the same function, written in two ways.
"""

import torch
from golden import FORMAT, named, numbers, write
from torch import nn

ROWS, INPUTS, CLASSES = 9, 6, 5
WEIGHT = [0.5, 2.0, 1.25, 0.75, 1.0]


def case(group: str, ends: list[str], loss: str, options: dict, labels: torch.Tensor, kind: dict) -> dict:
    """A Linear, the layers ``ends`` over the classes, and a loss with its own reduction."""
    torch.manual_seed(len(group))
    made = {key: torch.tensor(value).double() if isinstance(value, list) else value for key, value in options.items()}
    softmax = {"LogSoftmax", "Softmax"}
    layers = [getattr(nn, name)(**({"dim": 1} if name in softmax else {})) for name in ends]
    net = nn.Sequential(nn.Linear(INPUTS, CLASSES), *layers).float().double()
    features = (torch.randn(ROWS, INPUTS) * 2).float().double()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    value = getattr(nn, loss)(**made)(net(features), labels)
    value.backward()
    documents = [{"type": "Linear", "out_features": CLASSES}]
    documents += [{"type": name, **({"dim": 1} if name in softmax else {})} for name in ends]
    return {
        "name": f"{group}: {' '.join([*ends, loss])}",
        "group": group,
        "network": {"format": FORMAT, "layers": documents},
        "inputShape": [INPUTS],
        "parameters": named(state),
        "features": numbers(features),
        "labels": labels.double().flatten().tolist(),
        "label": kind,
        "loss": {"type": loss, **options},
        "value": float(f"{value.item():.10g}"),
        "gradients": {key: numbers(value.grad) for key, value in net.named_parameters()},
    }


def classes() -> list[dict]:
    labels = torch.tensor([0, 3, 1, 4, 2, 0, 1, 3, 2])
    kind = {"kind": "class", "numClasses": CLASSES}
    cases = []
    for name, options in [
        ("classes", {}),
        ("classes with weights", {"weight": WEIGHT}),
        ("classes, one ignored", {"ignore_index": 3}),
        ("classes, weights, one ignored", {"weight": WEIGHT, "ignore_index": 1}),
        ("classes, the sum", {"weight": WEIGHT, "reduction": "sum"}),
    ]:
        cases.append(case(name, [], "CrossEntropyLoss", options, labels, kind))
        cases.append(case(name, ["LogSoftmax"], "NLLLoss", options, labels, kind))
    return cases


def distributions() -> list[dict]:
    torch.manual_seed(3)
    shares = torch.softmax(torch.randn(ROWS, CLASSES) * 1.5, dim=1).float().double()
    shares[4] = torch.tensor([0, 0, 1, 0, 0])
    logs = torch.log_softmax(torch.randn(ROWS, CLASSES), dim=1).float().double()
    kind = {"kind": "real", "width": CLASSES}
    cases = []
    for reduction in ["mean", "batchmean", "sum"]:
        options = {"reduction": reduction}
        cases.append(case(f"shares, {reduction}", ["LogSoftmax"], "KLDivLoss", options, shares, kind))
        options = {"reduction": reduction, "log_target": True}
        cases.append(case(f"logarithms, {reduction}", ["LogSoftmax"], "KLDivLoss", options, logs, kind))
    for ends, loss in [([], "BCEWithLogitsLoss"), (["Sigmoid"], "BCELoss")]:
        cases.append(case("shares, one by one", ends, loss, {}, shares, kind))
    return cases


def main() -> None:
    torch.set_num_threads(1)
    write("combinations", [*classes(), *distributions()])


if __name__ == "__main__":
    main()
