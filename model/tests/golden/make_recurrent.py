"""Writes recurrent.json: RNN, LSTM, GRU with every option. `make golden` runs it."""

import torch
from golden import layer_case, write
from torch import nn


class Rows(nn.Module):
    """A recurrent layer, batch first, and the output asked for; its parameters keep their names."""

    def __new__(cls, kind: str, *sizes: int, output: str = "all", **options):
        base = getattr(nn, kind)

        class Layer(base):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                everything, last = super().forward(x)
                if output == "all":
                    return everything
                last = last[0] if isinstance(last, tuple) else last
                directions = 2 if self.bidirectional else 1
                return torch.cat(list(last[-directions:]), dim=1)

        return Layer(*sizes, batch_first=True, **options)


def case(kind: str, features: int, hidden: int, time: int, linear: bool = True, **options) -> dict:
    """A Linear over every step, the layer, and a Linear: the first shows the gradient of the layer's input."""
    width = options.get("proj_size", hidden) * (2 if options.get("bidirectional") else 1)
    document = {"type": kind, "hidden_size": hidden, **options}
    layer = Rows(kind, features, hidden, **options)
    name = f"{kind} {features} {hidden} {time} {options}"
    if not linear:
        return layer_case(name, nn.Sequential(layer), [document], [time, features])
    net = nn.Sequential(nn.Linear(3, features), layer, nn.Linear(width, 2))
    layers = [{"type": "Linear", "out_features": features}, document, {"type": "Linear", "out_features": 2}]
    return layer_case(name, net, layers, [time, 3])


def main() -> None:
    torch.manual_seed(11)
    cases = []
    for kind in ["RNN", "LSTM", "GRU"]:
        cases += [
            case(kind, 4, 5, 6),
            case(kind, 4, 5, 6, output="last"),
            case(kind, 4, 3, 5, bidirectional=True),
            case(kind, 4, 3, 5, bidirectional=True, output="last"),
            case(kind, 3, 4, 4, num_layers=2, bias=False),
            case(kind, 3, 4, 4, num_layers=3, bidirectional=True, output="last", dropout=0.0),
            case(kind, 3, 17, 3, linear=False),
            case(kind, 5, 4, 1, linear=False, output="last"),
            case(kind, 2, 3, 7, bias=False, bidirectional=True, linear=False),
        ]
    cases += [
        case("RNN", 4, 5, 6, nonlinearity="relu"),
        case("RNN", 3, 4, 4, nonlinearity="relu", num_layers=2, bidirectional=True, output="last"),
        case("LSTM", 4, 5, 6, proj_size=2),
        case("LSTM", 3, 17, 3, proj_size=16, linear=False),
        case("LSTM", 3, 5, 4, proj_size=3, num_layers=3, bidirectional=True, output="last"),
        case("LSTM", 2, 4, 5, proj_size=1, num_layers=2, bias=False, bidirectional=True),
    ]
    write("recurrent", cases)


if __name__ == "__main__":
    main()
