"""What stands for layers of Keras in tests, which do not have it: objects that tell the same, and what they compute by NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

#: The arguments of layers of Keras 3 and their defaults.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Dense": {"units": 0, "activation": "linear"},
    **{
        f"Conv{dims}D": {
            "kernel_size": (3,) * dims, "strides": (1,) * dims, "padding": "valid", "data_format": "channels_last",
            "dilation_rate": (1,) * dims, "groups": 1, "activation": "linear",
        }
        for dims in (1, 2)
    },
    **{
        f"{kind}Pooling{dims}D": {"pool_size": (2,) * dims, "strides": (2,) * dims, "padding": "valid", "data_format": "channels_last"}
        for kind in ("Max", "Average")
        for dims in (1, 2)
    },
    **{f"Global{kind}Pooling{dims}D": {"keepdims": False} for kind in ("Max", "Average") for dims in (1, 2)},
    "BatchNormalization": {"axis": -1, "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True, "renorm": False},
    "LayerNormalization": {"axis": -1, "epsilon": 0.001, "center": True, "scale": True, "rms_scaling": False},
    "Embedding": {"mask_zero": False},
    "Flatten": {"data_format": "channels_last"},
    "Dropout": {"rate": 0.5, "seed": None, "noise_shape": None},
    "SpatialDropout2D": {"rate": 0.5, "data_format": "channels_last"},
    "Activation": {"activation": "relu"},
    "Softmax": {"axis": -1},
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    "LeakyReLU": {"negative_slope": 0.3},
    "ELU": {"alpha": 1.0},
    "Reshape": {"target_shape": ()},
    "Permute": {"dims": ()},
    "ZeroPadding1D": {"padding": (1, 1)},
    "ZeroPadding2D": {"padding": ((1, 1), (1, 1)), "data_format": "channels_last"},
}  # fmt: skip


class Layer:
    """A layer with a configuration, weights, and the shape that it reads."""

    trainable = True
    name: str
    input: Any

    def __init__(self, config: dict[str, Any], weights: Sequence[Any]) -> None:
        self._config, self._weights = config, [np.asarray(one) for one in weights]

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self._config}

    def get_weights(self) -> list[Any]:
        return self._weights


def layer(kind: str, *weights: Any, **config: Any) -> Any:
    """A layer of Keras of this kind."""
    bias = {"use_bias": len(weights) > 1} if kind in ("Dense", "Conv1D", "Conv2D") else {}
    made: Any = type(kind, (Layer,), {"__module__": "keras.src.layers"})(
        {**DEFAULTS.get(kind, {}), **bias, **config}, weights
    )
    made.name = kind.lower()
    return made


def sequential(shapes: Sequence[tuple[int | None, ...]], *layers: Any) -> Any:
    """A keras.Sequential of layers that read rows of these shapes."""
    for one, shape in zip(layers, shapes, strict=True):
        one.input = SimpleNamespace(shape=(None, *shape))
    made: Any = type("Sequential", (Layer,), {"__module__": "keras.src.models.sequential"})({}, [])
    made.name, made.layers = "sequential", list(layers)
    return made


def conv(x: Any, kernel: Any, bias: Any, stride: int = 1) -> Any:
    """Conv2D without padding, over rows of [height, width, channels]."""
    height, width = ((x.shape[at] - kernel.shape[at - 1]) // stride + 1 for at in (1, 2))
    found = np.zeros((len(x), height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * stride : i * stride + kernel.shape[0], j * stride : j * stride + kernel.shape[1]]
            found[:, i, j] = np.tensordot(window, kernel, 3) + bias
    return found


def cnn() -> tuple[Any, Any, Any]:
    """A network of pictures, rows for it, and what it makes of them."""
    rng = np.random.default_rng(3)
    kernel1, bias1, kernel2, bias2 = (rng.normal(size=size) for size in ((3, 3, 2, 4), 4, (2, 3, 4, 5), 5))
    gamma, beta, mean, variance = (rng.normal(size=4) + at for at in (0, 0, 0, 5))
    dense1, dense2 = (rng.normal(size=(30, 6)), rng.normal(size=6)), (rng.normal(size=(6, 3)), rng.normal(size=3))
    net = sequential(
        [(9, 11, 2), (7, 9, 4), (7, 9, 4), (3, 4, 4), (2, 2, 5), (2, 2, 5), (20,), (20,), (20,), (6,), (3,)],
        layer("Conv2D", kernel1, bias1, activation="relu"),
        layer("BatchNormalization", gamma, beta, mean, variance),
        layer("MaxPooling2D"),
        layer("Conv2D", kernel2, bias2, kernel_size=(2, 3)),
        layer("Dropout"),
        layer("Flatten"),
        layer("Dropout"),
        layer("ReLU"),
        layer("Dense", dense1[0][:20], dense1[1], activation="tanh"),
        layer("Dense", *dense2, activation="softmax"),
        layer("Activation", activation="linear"),
    )
    x = rng.normal(size=(7, 9, 11, 2))
    y = np.maximum(conv(x, kernel1, bias1), 0)
    y = (y - mean) / np.sqrt(variance + 0.001) * gamma + beta
    y = y[:, :6, :8].reshape(7, 3, 2, 4, 2, 4).max((2, 4))
    y = np.maximum(conv(y, kernel2, bias2).reshape(7, -1), 0)
    y = np.tanh(y @ dense1[0][:20] + dense1[1]) @ dense2[0] + dense2[1]
    return net, x, y
