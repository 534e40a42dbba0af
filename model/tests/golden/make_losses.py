"""Writes losses.json with PyTorch (`make golden`).

Every case has outputs (f32), labels, row weights, the loss and its gradient by the outputs, computed in f64. Without
row weights they are PyTorch's own reduction; with them the rows' losses are weighted, and so is what they are divided
by.
"""

import itertools
import json
import pathlib

import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
ROWS = 7


def numbers(tensor: torch.Tensor) -> list[float]:
    return [float(f"{value:.10g}") for value in tensor.detach().flatten().tolist()]


def exact(tensor: torch.Tensor) -> list[float]:
    """All digits: a label has to equal an output where it does in f32."""
    return tensor.double().flatten().tolist()


def outputs_of(width: int) -> torch.Tensor:
    return torch.randn(ROWS, width) * 1.5


def built(name: str, options: dict, reduction: str) -> nn.Module:
    """PyTorch's module; lists become tensors."""
    made = {
        key: torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
        for key, value in options.items()
    }
    return getattr(nn, name)(reduction=reduction, **made)


def target(name: str, labels: torch.Tensor) -> torch.Tensor:
    if name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"):
        return labels[:, 0].long()
    if name == "MultiLabelMarginLoss":
        return labels.long()
    return labels[:, 0] if name == "CosineEmbeddingLoss" else labels


def applied(name: str, module: nn.Module, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    width = outputs.shape[1]
    if name == "GaussianNLLLoss":
        return module(outputs[:, : width // 2], labels, outputs[:, width // 2 :])
    if name == "CosineEmbeddingLoss":
        return module(outputs[:, : width // 2], outputs[:, width // 2 :], target(name, labels))
    if name == "MarginRankingLoss":
        return module(outputs[:, : width // 2], outputs[:, width // 2 :], labels)
    if name == "TripletMarginLoss":
        return module(*outputs.split(width // 3, dim=1))
    return module(outputs, target(name, labels))


def row_losses(
    name: str, options: dict, outputs: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of each row's losses, and what a row adds to the denominator of the mean."""
    losses = applied(name, built(name, options, "none"), outputs, labels)
    if name not in ("CrossEntropyLoss", "NLLLoss"):
        losses = losses.reshape(ROWS, -1)
        return losses.sum(dim=1), torch.full((ROWS,), float(losses.shape[1]), dtype=torch.float64)
    classes = target(name, labels)
    ignored = classes == options.get("ignore_index", -100)
    weights = torch.tensor(options.get("weight", [1.0] * outputs.shape[1]), dtype=torch.float64)
    counts = weights[classes.clamp(min=0)].masked_fill(ignored, 0.0)
    return losses, counts


def reduced(
    name: str, options: dict, reduction: str, outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    if weights is None:
        return applied(name, built(name, options, reduction), outputs, labels)
    losses, counts = row_losses(name, options, outputs, labels)
    total = (losses * weights).sum()
    by = {"sum": torch.tensor(1.0), "mean": (counts * weights).sum(), "batchmean": weights.sum()}
    return total / by[reduction]


def case(
    loss: dict, compute, outputs: torch.Tensor, labels: torch.Tensor, kind: dict, weights: torch.Tensor | None
) -> dict:
    wide = outputs.double().requires_grad_()
    value = compute(wide, labels.double())
    value.backward()
    return {
        "loss": loss,
        "label": kind,
        "width": outputs.shape[1],
        "outputs": numbers(outputs),
        "labels": exact(labels),
        "weights": numbers(torch.ones(ROWS) if weights is None else weights),
        "value": float(f"{value.item():.10g}"),
        "gradient": numbers(wide.grad),
    }


def cases_of(name: str, options: dict, outputs: torch.Tensor, labels: torch.Tensor, kind: dict) -> list[dict]:
    reductions = ["mean", "sum", "batchmean"] if name == "KLDivLoss" else ["mean", "sum"]
    cases = []
    for reduction, weights in itertools.product(reductions, [None, (torch.rand(ROWS) + 0.5).double()]):

        def compute(wide, wide_labels, reduction=reduction, weights=weights):
            return reduced(name, options, reduction, wide, wide_labels, weights)

        document = {"type": name, **options, "reduction": reduction}
        cases.append(case(document, compute, outputs, labels, kind, weights))
    return cases


def class_cases() -> list[dict]:
    outputs, labels = outputs_of(4), torch.tensor([[0], [3], [1], [2], [2], [0], [1]])
    missing = labels.clone()
    missing[2] = -100
    weight = [0.5, 2.0, 1.25, 0.75]
    kind = {"kind": "class", "numClasses": 4}
    far = outputs * 40
    cases = []
    for options, x, y in [
        ({}, outputs, labels),
        ({}, far, labels),
        ({}, outputs, missing),
        ({"weight": weight}, outputs, labels),
        ({"ignore_index": 2}, outputs, labels),
        ({"label_smoothing": 0.1}, outputs, labels),
        ({"label_smoothing": 0.3, "weight": weight, "ignore_index": 1}, outputs, labels),
        ({"label_smoothing": 1.0, "weight": weight}, outputs, missing),
    ]:
        cases += cases_of("CrossEntropyLoss", options, x, y, kind)
        if "label_smoothing" not in options:
            cases += cases_of("NLLLoss", options, x.log_softmax(dim=1), y, kind)
    return cases


def binary_cases() -> list[dict]:
    two, reals = {"kind": "class", "numClasses": 2}, {"kind": "real", "width": 3}
    one, three = outputs_of(1), outputs_of(3)
    far = torch.tensor([[0.0], [30.0], [-30.0], [95.0], [-95.0], [17.0], [-0.001]])
    labels, shares = torch.tensor([[0.0], [1.0], [1.0], [0.0], [1.0], [0.0], [0.0]]), torch.rand(ROWS, 3)
    certain = torch.tensor([[0.0], [1.0], [0.0], [1.0], [0.5], [1e-6], [0.999999]])
    cases = []
    for options in [{}, {"pos_weight": [2.5]}]:
        cases += cases_of("BCEWithLogitsLoss", options, one, labels, two)
        cases += cases_of("BCEWithLogitsLoss", options, far, labels, two)
        cases += cases_of("BCEWithLogitsLoss", options, three, shares, reals)
    cases += cases_of("BCEWithLogitsLoss", {"pos_weight": [0.5, 3.0, 1.0]}, three, shares, reals)
    cases += cases_of("BCELoss", {}, one.sigmoid(), labels, two)
    cases += cases_of("BCELoss", {}, three.sigmoid(), shares, reals)
    cases += cases_of("BCELoss", {}, certain, labels, two)
    return cases


def real_cases() -> list[dict]:
    kind, outputs, labels = {"kind": "real", "width": 3}, outputs_of(3), torch.randn(ROWS, 3)
    labels[0, 0] = outputs[0, 0]
    counts = torch.poisson(torch.full((ROWS, 3), 2.5))
    cases = []
    for name, options in [
        ("MSELoss", {}),
        ("L1Loss", {}),
        ("SmoothL1Loss", {}),
        ("SmoothL1Loss", {"beta": 0.3}),
        ("SmoothL1Loss", {"beta": 0.0}),
        ("HuberLoss", {}),
        ("HuberLoss", {"delta": 0.4}),
    ]:
        cases += cases_of(name, options, outputs, labels, kind)
    for full in [False, True]:
        cases += cases_of("PoissonNLLLoss", {"full": full}, outputs, counts, kind)
        options = {"full": full, "log_input": False, "eps": 1e-3}
        cases += cases_of("PoissonNLLLoss", options, outputs.exp(), counts, kind)
        means_and_variances = torch.cat([outputs, outputs_of(3).exp()], dim=1)
        means_and_variances[1, 4] = 0.01
        cases += cases_of("GaussianNLLLoss", {"full": full}, means_and_variances, labels, kind)
        cases += cases_of("GaussianNLLLoss", {"full": full, "eps": 0.1}, means_and_variances, labels, kind)
    shares = torch.randn(ROWS, 3).softmax(dim=1)
    shares[2] = torch.tensor([0.0, 0.25, 0.75])
    cases += cases_of("KLDivLoss", {}, outputs.log_softmax(dim=1), shares, kind)
    logs = torch.randn(ROWS, 3).log_softmax(dim=1)
    cases += cases_of("KLDivLoss", {"log_target": True}, outputs.log_softmax(dim=1), logs, kind)
    return cases


def distance_cases() -> list[dict]:
    signs = torch.tensor([[1.0], [-1.0], [-1.0], [1.0], [-1.0], [-1.0], [1.0]])
    six, one = outputs_of(6), outputs_of(1).abs()
    one[1, 0] = 1.0
    kind = {"kind": "real", "width": 1}
    cases = []
    for margin in [1.0, 0.5]:
        cases += cases_of("HingeEmbeddingLoss", {"margin": margin}, one, signs, kind)
        cases += cases_of("CosineEmbeddingLoss", {"margin": margin - 1.0}, six, signs, kind)
    nothing = six.clone()
    nothing[1, :3] = 0.0
    cases += cases_of("CosineEmbeddingLoss", {"margin": -0.5}, nothing, signs, kind)
    nine = outputs_of(9)
    same = nine.clone()
    same[0, 3:6] = same[0, :3]
    for options, rows in [
        ({}, nine),
        ({"margin": 2.5, "p": 1.0}, nine),
        ({"margin": 2.5, "p": 3.0, "eps": 1e-4}, nine),
        ({"margin": 3.0, "p": 1.5, "swap": True}, nine),
        ({"margin": 3.0, "swap": True}, nine),
        ({"margin": 5.0, "eps": 0.0}, same),
    ]:
        cases += cases_of("TripletMarginLoss", options, rows, signs, kind)
    return cases


def margin_cases() -> list[dict]:
    """Hinges, and the weights of outputs."""
    classes = torch.tensor([[0], [3], [1], [2], [2], [0], [1]])
    four, kind, reals = outputs_of(4), {"kind": "class", "numClasses": 4}, {"kind": "real", "width": 4}
    weight = [0.5, 2.0, 1.25, 0.75]
    cases = []
    for options in [{}, {"p": 2}, {"margin": 2.5, "weight": weight}, {"p": 2, "margin": 0.3, "weight": weight}]:
        cases += cases_of("MultiMarginLoss", options, four, classes, kind)
    several = torch.tensor(
        [[0, 2, -1, 1], [3, -1, 0, 0], [-1, 0, 0, 0], [0, 1, 2, 3], [1, 1, -1, 0], [2, 3, 0, -1], [3, 2, -1, 3]]
    )
    cases += cases_of("MultiLabelMarginLoss", {}, four, several, reals)
    shares, signs = torch.rand(ROWS, 4), torch.where(torch.rand(ROWS, 4) < 0.5, -1.0, 1.0)
    for options in [{}, {"weight": weight}]:
        cases += cases_of("MultiLabelSoftMarginLoss", options, four * 3, shares, reals)
        cases += cases_of("BCEWithLogitsLoss", options, four * 3, shares, reals)
        cases += cases_of("BCELoss", options, four.sigmoid(), shares, reals)
    cases += cases_of("BCEWithLogitsLoss", {"weight": weight, "pos_weight": [2.0, 0.5, 1.0, 3.0]}, four, shares, reals)
    cases += cases_of("SoftMarginLoss", {}, four * 20, signs, reals)
    six, order = outputs_of(6), torch.tensor([[1.0, -1.0, 0.0]] * ROWS)
    for margin in [0.0, 0.7]:
        cases += cases_of("MarginRankingLoss", {"margin": margin}, six, order, {"kind": "real", "width": 3})
    return cases


def sum_cases() -> list[dict]:
    outputs = outputs_of(6)
    labels = torch.cat([torch.randn(ROWS, 2), torch.tensor([[0.0], [3.0], [1.0], [2.0], [2.0], [0.0], [1.0]])], dim=1)
    terms = [
        ("MSELoss", {}, 1.5, [0, 2], [0, 2]),
        ("CrossEntropyLoss", {"label_smoothing": 0.1}, 0.25, [2, 6], [2, 3]),
        ("L1Loss", {}, 2.0, [1, 3], [0, 2]),
    ]
    documents = [
        {"type": "LossTerm", "loss": {"type": name, **options}, "weight": weight, "outputs": read, "labels": known}
        for name, options, weight, read, known in terms
    ]
    cases = []
    for reduction, weights in itertools.product(["mean", "sum"], [None, (torch.rand(ROWS) + 0.5).double()]):

        def compute(wide, wide_labels, reduction=reduction, weights=weights):
            return sum(
                weight
                * reduced(name, options, reduction, wide[:, slice(*read)], wide_labels[:, slice(*known)], weights)
                for name, options, weight, read, known in terms
            )

        document = {"type": "MultiLoss", "losses": documents, "reduction": reduction}
        cases.append(case(document, compute, outputs, labels, {"kind": "real", "width": 3}, weights))

        def pair(wide, wide_labels, reduction=reduction, weights=weights):
            both = [reduced(name, {}, reduction, wide, wide_labels, weights) for name in ["MSELoss", "HuberLoss"]]
            return both[0] + both[1]

        document = {"type": "MultiLoss", "losses": [{"type": "MSELoss"}, {"type": "HuberLoss"}], "reduction": reduction}
        cases.append(case(document, pair, outputs[:, :3], labels, {"kind": "real", "width": 3}, weights))
    return cases


def quantile_cases() -> list[dict]:
    """By the definition: PyTorch has no pinball loss."""
    quantiles, outputs, labels = torch.tensor([0.1, 0.5, 0.8]).double(), outputs_of(6), torch.randn(ROWS, 2)
    cases = []
    for reduction, weights in itertools.product(["mean", "sum"], [None, (torch.rand(ROWS) + 0.5).double()]):

        def compute(wide, wide_labels, reduction=reduction, weights=weights):
            above = wide_labels.unsqueeze(2) - wide.reshape(ROWS, 2, 3)
            losses = torch.maximum(quantiles * above, (quantiles - 1) * above).reshape(ROWS, 6)
            by_row = torch.ones(ROWS).double() if weights is None else weights
            total = (losses.sum(dim=1) * by_row).sum()
            return total / (6 * by_row.sum()) if reduction == "mean" else total

        document = {"type": "QuantileLoss", "quantiles": [0.1, 0.5, 0.8], "reduction": reduction}
        cases.append(case(document, compute, outputs, labels, {"kind": "real", "width": 2}, weights))
    return cases


def activation_cases() -> list[dict]:
    x = torch.cat([torch.linspace(-30, 30, 97), torch.tensor([0.0, -3.0, 3.0, 6.0, -1.0, 1.0, 2.0])])
    x = torch.cat([x, torch.randn(40) * 2])
    cases = []
    for layer, options in [
        (nn.LeakyReLU, {}),
        (nn.LeakyReLU, {"negative_slope": 0.3}),
        (nn.LeakyReLU, {"negative_slope": -0.5}),
        (nn.ELU, {}),
        (nn.ELU, {"alpha": 0.4}),
        (nn.SELU, {}),
        (nn.CELU, {}),
        (nn.CELU, {"alpha": 2.5}),
        (nn.SiLU, {}),
        (nn.Mish, {}),
        (nn.Softplus, {}),
        (nn.Softplus, {"beta": 2.0, "threshold": 3.0}),
        (nn.Softsign, {}),
        (nn.LogSigmoid, {}),
        (nn.ReLU, {}),
        (nn.ReLU6, {}),
        (nn.Hardtanh, {}),
        (nn.Hardtanh, {"min_val": -2.0, "max_val": 0.5}),
        (nn.Hardsigmoid, {}),
        (nn.Hardswish, {}),
        (nn.GELU, {}),
        (nn.GELU, {"approximate": "tanh"}),
        (nn.Tanh, {}),
        (nn.Sigmoid, {}),
        (nn.Identity, {}),
        (nn.Hardshrink, {}),
        (nn.Hardshrink, {"lambd": 2.0}),
        (nn.Softshrink, {}),
        (nn.Softshrink, {"lambd": 1.5}),
        (nn.Tanhshrink, {}),
        (nn.Threshold, {"threshold": 1.0, "value": -20.0}),
    ]:
        wide = x.double().requires_grad_()
        values = layer(**options)(wide)
        values.sum().backward()
        cases.append(
            {
                "layer": {"type": layer.__name__, **options},
                "input": numbers(x),
                "output": numbers(values),
                "slope": numbers(wide.grad),
            }
        )
    return cases


def main() -> None:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    losses = class_cases() + binary_cases() + real_cases() + distance_cases() + sum_cases() + quantile_cases()
    activations = activation_cases()
    losses += margin_cases()
    for name, content in [("losses", losses), ("activations", activations)]:
        made = {"torch": torch.__version__.split("+")[0], "content": content}
        (HERE / f"{name}.json").write_text(json.dumps(made) + "\n")


if __name__ == "__main__":
    main()
