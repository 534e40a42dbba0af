"""Functions and methods of PyTorch compute here what they compute there, where PyTorch is installed: `pip install torch`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from candlewick import NeuralRegressor, nn

torch: Any = pytest.importorskip("torch")
F = torch.nn.functional
VECTOR, SEQUENCE, PICTURE = (4,), (5, 4), (3, 6, 8)

#: What a forward does with the output of a Linear, by its shape.
CALLS: list[tuple[tuple[int, ...], Any]] = [
    (VECTOR, lambda s, x: F.logsigmoid(x)),
    (VECTOR, lambda s, x: F.softplus(x, 2.0, 5.0)),
    (VECTOR, lambda s, x: F.hardtanh(x, -0.3, 0.4)),
    (VECTOR, lambda s, x: F.selu(x) + F.celu(x, 0.5) * F.mish(x)),
    (VECTOR, lambda s, x: torch.cat([x, x.tanh()], -1)),
    (VECTOR, lambda s, x: x[:, None].flatten(1)),
    (VECTOR, lambda s, x: x.unsqueeze(2).transpose(1, 2).flatten(1)),
    (VECTOR, lambda s, x: F.threshold(x, 0.1, 2.0)),
    (VECTOR, lambda s, x: F.glu(x)),
    (VECTOR, lambda s, x: F.hardshrink(x, 0.1) + F.softshrink(x, 0.2)),
    (VECTOR, lambda s, x: s.bilinear(x, x.relu())),
    (VECTOR, lambda s, x: F.softmin(x, dim=1)),
    (VECTOR, lambda s, x: x.view(-1, 2, 2).transpose(-1, -2).reshape(x.size(0), -1)),
    (VECTOR, lambda s, x: x.view(x.shape[0], 2, -1).amax(1)),
    (SEQUENCE, lambda s, x: x.mean(1)),
    (SEQUENCE, lambda s, x: x.mean(dim=-1)),
    (SEQUENCE, lambda s, x: x.mean(1, keepdim=True).flatten(1)),
    (SEQUENCE, lambda s, x: F.max_pool1d(x.transpose(1, 2), 2, stride=1, padding=1).flatten(1)),
    (SEQUENCE, lambda s, x: F.adaptive_avg_pool1d(x, 2).flatten(1)),
    (SEQUENCE, lambda s, x: F.lp_pool1d(x.sigmoid(), 2, 2).flatten(1)),
    (SEQUENCE, lambda s, x: s.gru(x)[0][:, -1]),
    (SEQUENCE, lambda s, x: s.gru(x)[1][-1]),
    (SEQUENCE, lambda s, x: s.rnn(x)[1].squeeze(0)),
    (SEQUENCE, lambda s, x: s.lstm(x)[0].mean(1)),
    (SEQUENCE, lambda s, x: (lambda h: torch.cat((h[0], h[1]), -1))(s.lstm(x)[1][0])),
    (SEQUENCE, lambda s, x: s.decoder(x, x.relu()).mean(1)),
    (SEQUENCE, lambda s, x: s.up(x.permute(0, 2, 1)).flatten(1)),
    (SEQUENCE, lambda s, x: s.attention(x, x.relu(), x.tanh())[0].flatten(1)),
    (PICTURE, lambda s, x: x.mean((2, 3))),
    (PICTURE, lambda s, x: x.amax((-1, -2), keepdim=True).flatten(1)),
    (PICTURE, lambda s, x: F.avg_pool2d(x, (2, 3), padding=1, count_include_pad=False).flatten(1)),
    (PICTURE, lambda s, x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3).flatten(1)),
    (PICTURE, lambda s, x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True).flatten(1)),
    (PICTURE, lambda s, x: F.adaptive_max_pool2d(x, (2, 3)).flatten(1)),
    (PICTURE, lambda s, x: F.pad(x, (1, 2, 0, 1), value=0.5).flatten(1)),
    (PICTURE, lambda s, x: F.pad(x, (1, 2, 0, 1), "circular").flatten(1)),
    (PICTURE, lambda s, x: F.interpolate(x, size=(12, 8)).flatten(1)),
    (PICTURE, lambda s, x: x.transpose(1, 3).flatten(1)),
    (PICTURE, lambda s, x: F.local_response_norm(x, 3, 0.1).flatten(1)),
    (PICTURE, lambda s, x: x.flatten(2).mean(2)),
]


class Module(torch.nn.Module):
    """A Linear, and what is called with its output."""

    def __init__(self, call: Any, width: int) -> None:
        super().__init__()
        self.linear, self.call = torch.nn.Linear(width, width), call
        self.bilinear = torch.nn.Bilinear(4, 4, 3)
        self.gru = torch.nn.GRU(4, 3, 2, batch_first=True)
        self.rnn = torch.nn.RNN(4, 3, batch_first=True)
        self.lstm = torch.nn.LSTM(4, 3, batch_first=True, bidirectional=True)
        self.decoder = torch.nn.TransformerDecoderLayer(4, 2, 8, batch_first=True)
        self.up = torch.nn.ConvTranspose1d(4, 4, 3, stride=2)
        self.attention = torch.nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.call(self, self.linear(x))


@pytest.mark.parametrize("shape", [VECTOR, SEQUENCE, PICTURE])
def test_calls_compute_the_same(shape: tuple[int, ...], local2: SparkSession) -> None:
    torch.manual_seed(5)
    for at, (_, call) in enumerate(one for one in CALLS if one[0] == shape):
        module, rows = Module(call, shape[-1]).eval(), torch.randn(4, *shape)
        with torch.no_grad():
            expected = module(rows).reshape(4, -1).numpy()
        given = [(row.reshape(-1).tolist(), [0.0] * expected.shape[1]) for row in rows]
        data = local2.createDataFrame(given, ["features", "label"])
        network = nn.from_torch(module, inputs=list(shape))
        fitted = NeuralRegressor(network=network, initialWeights=module, epochs=0).fit(data)
        found = np.array([row.prediction.toArray() for row in fitted.transform(data).collect()])
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-5), f"call {at} of {shape}: {network}"
