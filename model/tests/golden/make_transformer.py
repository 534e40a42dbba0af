"""Writes transformer.json: TransformerEncoderLayer. `make golden` runs it."""

import torch
from golden import layer_case, write
from torch import nn


def causal_mask(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).triu(1)


class Encoder(nn.TransformerEncoderLayer):
    def __init__(self, *sizes: int, causal: bool, bias: bool, **options) -> None:
        super().__init__(*sizes, dropout=0.0, batch_first=True, bias=bias, **options)
        self.causal = causal
        for name, parameter in self.named_parameters():
            # Ones and zeros, at which PyTorch starts them, would hide mistakes.
            if "norm" in name or name.endswith("bias"):
                nn.init.normal_(parameter, 0.5, 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x, causal_mask(x.shape[1]) if self.causal else None)


def main() -> None:
    torch.manual_seed(8)
    cases = []
    for activation, norm_first, bias, causal, eps in (
        ("relu", False, True, False, 1e-5),
        ("gelu", True, True, True, 1e-3),
        ("relu", True, False, False, 1e-5),
        ("gelu", False, False, True, 1e-5),
    ):
        options = {"activation": activation, "norm_first": norm_first, "layer_norm_eps": eps}
        net = nn.Sequential(
            nn.Linear(3, 6), Encoder(6, 2, 11, causal=causal, bias=bias, **options),
            Encoder(6, 3, 5, causal=causal, bias=bias, **options), nn.Linear(6, 2),
        )  # fmt: skip
        options |= {"type": "TransformerEncoderLayer", "dropout": 0, "bias": bias, "is_causal": causal}
        layers = [
            {"type": "Linear", "out_features": 6},
            options | {"nhead": 2, "dim_feedforward": 11},
            options | {"nhead": 3, "dim_feedforward": 5},
            {"type": "Linear", "out_features": 2},
        ]
        cases.append(layer_case(f"{activation}, norm_first={norm_first}, bias={bias}", net, layers, [5, 3]))
    write("transformer", cases)


if __name__ == "__main__":
    main()
