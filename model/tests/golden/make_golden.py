"""Writes the first golden files of this folder with PyTorch (`make golden`).

layers.json     outputs, loss and gradients of small networks, one for every layer and loss
optimizers.json ten updates with every optimiser and option
training.json   twenty steps of a small network
"""

import json
import pathlib

import torch
from torch import nn

HERE = pathlib.Path(__file__).parent


def numbers(tensor: torch.Tensor) -> list[float]:
    """The elements, with the nine digits that give an f32 back."""
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def document(net: nn.Sequential) -> list[dict]:
    """The layers of a network as the format candlewick.network/1 writes them."""
    layers = []
    for layer in net:
        name = type(layer).__name__
        entry = {"type": name}
        if name == "Sequential":
            entry["layers"] = document(layer)
        if name == "Linear":
            entry |= {"out_features": layer.out_features, "bias": layer.bias is not None}
        if name == "GELU":
            entry["approximate"] = layer.approximate
        if name == "Dropout":
            entry["p"] = layer.p
        if name == "Flatten":
            entry |= {"start_dim": layer.start_dim, "end_dim": layer.end_dim}
        layers.append(entry)
    return layers


def loss_of(name: str, outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted mean that Candlewick minimises: PyTorch's own mean where all weights are equal."""
    kind = getattr(nn, name)
    if name == "CrossEntropyLoss":
        rows = kind(reduction="none")(outputs, labels[:, 0].long())
    else:
        rows = kind(reduction="none")(outputs, labels.to(outputs.dtype)).mean(dim=1)
    loss = (rows * weights).sum() / weights.sum()
    if (weights == weights[0]).all():
        target = labels[:, 0].long() if name == "CrossEntropyLoss" else labels.to(outputs.dtype)
        torch.testing.assert_close(loss, kind()(outputs, target))
    return loss


def case(name: str, net: nn.Sequential, shape: list[int], loss_name: str, labels: torch.Tensor, weighted: bool) -> dict:
    rows = labels.shape[0]
    features = torch.randn(rows, *shape) * 1.5
    weights = torch.rand(rows) + 0.5 if weighted else torch.ones(rows)
    outputs = net(features)
    loss = loss_of(loss_name, outputs, labels, weights)
    net.zero_grad()
    loss.backward()
    return {
        "name": name,
        "network": {"format": "candlewick.network/1", "layers": document(net)},
        "inputShape": shape,
        "loss": loss_name,
        "parameters": {key: numbers(value) for key, value in net.named_parameters()},
        "features": numbers(features),
        "labels": numbers(labels.double()),
        "weights": numbers(weights),
        "outputs": numbers(outputs),
        "value": loss.item(),
        "gradients": {key: numbers(value.grad) for key, value in net.named_parameters()},
    }


def layer_cases() -> list[dict]:
    classes = torch.randint(0, 4, (9, 1))
    reals = torch.randn(9, 4)
    around = lambda *layers: nn.Sequential(nn.Linear(6, 5), *layers, nn.Linear(5, 4))  # noqa: E731
    cases = [
        case(f"{layer}", around(layer), [6], "CrossEntropyLoss", classes, False)
        for layer in [nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.GELU(approximate="tanh"), nn.Dropout(0.0)]
    ]
    two = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Flatten(), nn.Linear(8, 4))
    wide = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1))
    cases += [
        case("Linear without bias", nn.Sequential(nn.Linear(6, 4, bias=False)), [6], "MSELoss", reals, False),
        case("Flatten, nested, Linear over two dimensions", two, [2, 3], "CrossEntropyLoss", classes, True),
        case("CrossEntropyLoss, weighted", around(nn.ReLU()), [6], "CrossEntropyLoss", classes, True),
        case("MSELoss, weighted", around(nn.GELU()), [6], "MSELoss", reals, True),
        case("BCEWithLogitsLoss, two classes", wide, [6], "BCEWithLogitsLoss", classes % 2, True),
        case("BCEWithLogitsLoss, four outputs", around(nn.Tanh()), [6], "BCEWithLogitsLoss", torch.rand(9, 4), False),
    ]
    return cases


def optimizer_cases() -> list[dict]:
    options = [
        ("SGD", {}),
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
        ("SGD", {"lr": 0.1, "maximize": True}),
        ("Adam", {}),
        ("Adam", {"lr": 0.01, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.01, "betas": [0.4, 0.6]}),
        ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
        ("AdamW", {}),
        ("AdamW", {"lr": 0.02, "weight_decay": 0.2, "amsgrad": True}),
    ]
    cases = []
    for name, chosen in options:
        start = torch.randn(30)
        weights = nn.Parameter(start.clone())
        optimizer = getattr(torch.optim, name)(
            [weights], **{key: tuple(v) if isinstance(v, list) else v for key, v in chosen.items()}
        )
        gradients = [torch.randn(30) * 0.3 for _ in range(10)]
        for gradient in gradients:
            weights.grad = gradient.clone()
            optimizer.step()
        cases.append(
            {
                "optimizer": {"type": name, **chosen},
                "start": numbers(start),
                "gradients": [numbers(gradient) for gradient in gradients],
                "end": numbers(weights),
            }
        )
    return cases


def training() -> dict:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 12), nn.GELU(), nn.Linear(12, 3))
    start = {key: numbers(value) for key, value in net.named_parameters()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    steps = []
    for _ in range(20):
        features = torch.randn(16, 8)
        labels = (features[:, :3].argmax(dim=1)).reshape(16, 1)
        loss = nn.CrossEntropyLoss()(net(features), labels[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps.append({"features": numbers(features), "labels": numbers(labels.double()), "loss": loss.item()})
    return {
        "network": {"format": "candlewick.network/1", "layers": document(net)},
        "optimizer": {"type": "AdamW", "lr": 0.01},
        "start": start,
        "steps": steps,
        "end": {key: numbers(value) for key, value in net.named_parameters()},
    }


def main() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    for name, content in [("layers", layer_cases()), ("optimizers", optimizer_cases()), ("training", training())]:
        made = {"torch": torch.__version__.split("+")[0], "content": content}
        (HERE / f"{name}.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
