"""Networks of Keras as networks of this package. Keras is not imported: its layers tell what they are."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from candlewick._document import BUILDERS, Module, Sequential
from candlewick.errors import CandlewickError, InvalidParameterError

_HOMES = ("keras.", "tf_keras.", "tensorflow.python.keras.")
#: Activations by their names.
_ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "sigmoid": "Sigmoid", "tanh": "Tanh", "elu": "ELU", "selu": "SELU", "silu": "SiLU", "swish": "SiLU",
    "gelu": "GELU", "softplus": "Softplus", "softsign": "Softsign", "mish": "Mish", "log_softmax": "LogSoftmax", "softmax": "Softmax",
}  # fmt: skip
#: Layers to which it is the same where a value of a row stands.
_ELEMENTWISE = ("Dropout", "ReLU", "LeakyReLU", "ELU", "Activation")
#: Ends that losses over logits apply themselves.
_ENDS = {"Softmax": "nn.CrossEntropyLoss", "Sigmoid": "nn.BCEWithLogitsLoss"}


def from_keras(model: Any, logits: bool = True) -> Sequential:
    """The network that a ``Sequential`` of Keras is, for rows as Keras has them: channels last.

    Its weights go where weights go: ``initialWeights`` takes the model too. Kernels are transposed, and those of a Dense behind a
    Flatten of channels sorted, since channels come first here; the network begins with a Permute where it has to.

    Example:
        >>> model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, activation="softmax")])  # doctest: +SKIP
        >>> NeuralClassifier(network=nn.from_keras(model), initialWeights=model)  # doctest: +SKIP

    Args:
        model: The model, whose shapes are known: it begins with an Input, or was called.
        logits: Leave out a softmax or sigmoid at the end, with a warning: nn.CrossEntropyLoss and nn.BCEWithLogitsLoss apply it.
            False keeps it, for other losses.

    Raises:
        InvalidParameterError: It is of another kind, or holds a layer or an argument that has no counterpart; the message says
            where.
    """
    if not is_keras(model):
        raise TypeError(f"from_keras takes a keras.Sequential, not {model!r} of type {type(model).__name__}")
    reader = _Reader(model)
    left_out = reader.end() if logits else None
    if left_out is not None:
        reader.told.append(
            f"the {left_out} at the end is left out, since {_ENDS[left_out]} applies it; from_keras(model, logits=False) keeps it"
        )
    for text in reader.told:
        warnings.warn(f"from_keras: {text}", stacklevel=2)
    reader.to_keras()
    return Sequential(*reader.layers)


def is_keras(model: object) -> TypeGuard[Any]:
    """Whether this is a model or layer of Keras, or of a class derived from one."""
    return hasattr(model, "get_config") and any(kind.__module__.startswith(_HOMES) for kind in type(model).__mro__)


def keras_state(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of a model of Keras by the names, and in the order, that they have in the network of `from_keras`."""
    return _Reader(model).state


def _is_own(layer: object) -> bool:
    """Whether its class is Keras's own: one that is derived from it may compute anything."""
    return type(layer).__module__.startswith(_HOMES)


def _refused(layer: Any, what: str) -> InvalidParameterError:
    kind = type(layer)
    return InvalidParameterError(
        f"from_keras: {getattr(layer, 'name', 'the model')} ({kind.__module__}.{kind.__name__}) {what}"
    )


def _flat(model: Any) -> Iterator[Any]:
    """The layers of a Sequential, of those within it too."""
    if type(model).__name__ != "Sequential" or not _is_own(model):
        raise _refused(
            model,
            "cannot be read: expected a keras.Sequential; build a model of several branches with nn.Graph, from the same layers",
        )
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _flat(layer)
        elif type(layer).__name__ != "InputLayer":
            yield layer


class _Reader:
    """Goes through the layers of a model, and knows whether the data has its channels first meanwhile.

    Args:
        model: The model.
    """

    def __init__(self, model: Any) -> None:
        self.layers: list[Module] = []
        self.state: dict[str, np.ndarray[Any, Any]] = {}
        self.told: list[str] = []
        #: The dimensions of a row that are in our order, channels first; 0 where they are in Keras's.
        self._turned = 0
        #: The shape of the channels that were flattened in our order, until a Dense has read them.
        self._sorted: tuple[int, ...] | None = None
        every = list(_flat(model))
        for at, layer in enumerate(every):
            read = _READERS.get(type(layer).__name__)
            if read is None or not _is_own(layer):
                raise _refused(layer, f"has no counterpart here; known are {', '.join(sorted(_READERS))}")
            self.rest, before = every[at + 1 :], set(self.state)
            try:
                read(self, layer, layer.get_config(), _shape(layer))
            except (CandlewickError, TypeError, ValueError) as error:
                if str(error).startswith("from_keras: "):
                    raise
                raise _refused(layer, f"cannot be read: {error}") from None
            self._tell(layer, before)

    def _tell(self, layer: Any, before: set[str]) -> None:
        """What is no matter of the network here; `before` has the weights of the layers so far."""
        config = layer.get_config()
        for name, value in config.items():
            if value is not None and name.endswith(("_regularizer", "_constraint")):
                self.told.append(
                    f"{name} of {layer.name} is left out; the optimizer has weight_decay: optim.AdamW(weight_decay=...)"
                )
        names = {name.partition(".")[0] for name in self.state.keys() - before}
        if names and not getattr(layer, "trainable", True):
            self.told.append(
                f"{layer.name} will be trained, though it is not trainable there; a network does not say what is frozen, the "
                f'optimizer does: optim.AdamW(groups=[{{"params": "{names.pop()}.*", "frozen": True}}])'
            )

    def add(self, kind: str, *arguments: Any, state: Mapping[str, Any] | None = None, **named: Any) -> None:
        """A layer of ours, with its weights."""
        builder: Any = BUILDERS[kind]
        for name, value in (state or {}).items():
            self.state[f"{len(self.layers)}.{name}"] = np.asarray(value)
        self.layers.append(builder(*arguments, **named))

    def to_ours(self, shape: Sequence[Any]) -> None:
        """Channels come first from here on, as layers over positions have them."""
        if not self._turned and len(shape) > 1:
            self.add("Permute", [0, len(shape), *range(1, len(shape))])
            self._turned = len(shape)

    def to_keras(self) -> None:
        """Channels come last from here on."""
        if self._turned:
            self.add("Permute", [0, *range(2, self._turned + 1), 1])
            self._turned = 0

    def end(self) -> str | None:
        """Leaves out a softmax or sigmoid at the end, and says which."""
        kind = type(self.layers[-1]).__name__ if self.layers else ""
        if kind not in _ENDS:
            return None
        self.layers.pop()
        return kind

    def activation(self, config: Mapping[str, Any]) -> None:
        """The activation that a layer has within."""
        name = config["activation"]
        if name in (None, "linear"):
            return
        if name == "leaky_relu":
            self.add("LeakyReLU", 0.2)
        elif not isinstance(name, str) or name not in _ACTIVATIONS:
            raise ValueError(
                f"its activation {name!r} is not known here; known are linear, leaky_relu, {', '.join(_ACTIVATIONS)}"
            )
        elif name.endswith("softmax"):
            self.add(_ACTIVATIONS[name], dim=1 if self._turned else -1)
        else:
            self.add(_ACTIVATIONS[name])

    def dense(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Dense: the last dimension, kernels of [in, out]."""
        self.to_keras()
        kernel, *bias = _weights(layer, 1 + config["use_bias"])
        if self._sorted is not None:
            order = np.arange(kernel.shape[0]).reshape(self._sorted)
            kernel = kernel[np.moveaxis(order, -1, 0).ravel()]
            self._sorted = None
        weights = {"weight": kernel.T, **({"bias": bias[0]} if bias else {})}
        self.add("Linear", kernel.shape[0], kernel.shape[1], bias=bool(bias), state=weights)
        self.activation(config)

    def convolution(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Conv1D and Conv2D: kernels of [height, width, in, out]."""
        _refuse_first(config)
        self.to_ours(shape)
        kernel, *bias = _weights(layer, 1 + config["use_bias"])
        sizes, strides, dilation = (list(config[name]) for name in ("kernel_size", "strides", "dilation_rate"))
        spans = [(size - 1) * step + 1 for size, step in zip(sizes, dilation, strict=True)]
        padding: Any = "same" if config["padding"] == "same" and set(strides) == {1} else 0
        if config["padding"] == "causal":
            self.add("ZeroPad1d", [spans[0] - 1, 0])
        elif config["padding"] == "same" and padding == 0:
            around = [both for pair in _around(shape, spans, strides) for both in pair]
            if any(around):
                self.add(f"ZeroPad{len(sizes)}d", _outwards(around))
        weights = {"weight": np.moveaxis(kernel, (-1, -2), (0, 1)), **({"bias": bias[0]} if bias else {})}
        self.add(
            f"Conv{len(sizes)}d",
            kernel.shape[-2] * config["groups"],
            kernel.shape[-1],
            *map(_one, (sizes, strides)),
            padding=padding,
            dilation=_one(dilation),
            groups=config["groups"],
            bias=bool(bias),
            state=weights,
        )
        self.activation(config)

    def pool(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """MaxPooling and AveragePooling."""
        _refuse_first(config)
        self.to_ours(shape)
        kind = f"{type(layer).__name__[:3]}Pool{len(shape) - 1}d".replace("Ave", "Avg")
        sizes, strides = list(config["pool_size"]), list(config["strides"] or config["pool_size"])
        more: dict[str, Any] = {}
        if config["padding"] == "same":
            around = _around(shape, sizes, strides)
            if all(left == right for left, right in around):
                more = {"padding": _one([left for left, _ in around])}
                more |= {"count_include_pad": False} if kind.startswith("Avg") else {}
            elif all(left == 0 and right < step for (left, right), step in zip(around, strides, strict=True)):
                # The last window reaches beyond the end.
                more = {"ceil_mode": True}
            else:
                raise ValueError(
                    f"padding='same' of pool_size={sizes} and strides={strides} over {list(shape)} is not known here"
                )
        self.add(kind, _one(sizes), _one(strides), **more)

    def whole_pool(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """GlobalAveragePooling and GlobalMaxPooling."""
        _refuse_first(config)
        self.to_ours(shape)
        kind = "Avg" if "Average" in type(layer).__name__ else "Max"
        self.add(f"Adaptive{kind}Pool{len(shape) - 1}d", 1)
        if not config.get("keepdims"):
            self.add("Flatten")
            self._turned = 0

    def batch_norm(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """BatchNormalization of the last dimension."""
        _refuse_axis(config, shape)
        if len(shape) > 3 or config.get("renorm"):
            raise ValueError("expected up to two dimensions of positions, and renorm=False")
        self.to_ours(shape)
        *weights, mean, variance = layer.get_weights()
        named = _affine(config, weights)
        state = {**named, "running_mean": mean, "running_var": variance, "num_batches_tracked": np.array(0)}
        self.add(
            f"BatchNorm{max(len(shape) - 1, 1)}d",
            mean.shape[0],
            eps=config["epsilon"],
            momentum=round(1 - config["momentum"], 12),
            affine=bool(named),
            state=state,
            **({} if len(named) != 1 else {"bias": False}),
        )

    def layer_norm(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """LayerNormalization of the last dimension."""
        _refuse_axis(config, shape)
        if config.get("rms_scaling"):
            raise ValueError("rms_scaling=True is not known here; nn.RMSNorm is another formula")
        self.to_keras()
        named = _affine(config, layer.get_weights())
        self.add(
            "LayerNorm",
            shape[-1],
            eps=config["epsilon"],
            elementwise_affine=bool(named),
            state=named,
            **({} if len(named) != 1 else {"bias": False}),
        )

    def embedding(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Embedding."""
        if config.get("mask_zero"):
            raise ValueError(
                "mask_zero=True is not known here: layers behind it would leave steps out; nn.Graph has masks of padding"
            )
        (table,) = _weights(layer, 1)
        self.add("Embedding", *table.shape, state={"weight": table})

    def flatten(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Flatten: in our order where a Dense comes next, whose weights are sorted then."""
        _refuse_first(config)
        following = next((one for one in self.rest if type(one).__name__ not in _ELEMENTWISE), None)
        if self._turned and type(following).__name__ == "Dense" and None not in shape:
            self._sorted = tuple(shape)
            self._turned = 0
        self.to_keras()
        self.add("Flatten")

    def dropout(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Dropout and SpatialDropout2D."""
        if config.get("noise_shape") is not None:
            raise ValueError("noise_shape is not known here; leave it out")
        if type(layer).__name__ == "SpatialDropout2D":
            _refuse_first(config)
            self.to_ours(shape)
        self.add("Dropout2d" if type(layer).__name__ == "SpatialDropout2D" else "Dropout", config["rate"])

    def plain_activation(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Activation, Softmax, ReLU, LeakyReLU and ELU."""
        kind = type(layer).__name__
        if kind == "Activation":
            self.activation(config)
        elif kind == "Softmax":
            _refuse_axis(config, shape)
            self.activation({"activation": "softmax"})
        elif kind == "ReLU":
            self._relu(config)
        elif kind == "LeakyReLU":
            self.add(kind, float(config.get("negative_slope", config.get("alpha", 0.3))))
        else:
            self.add(kind, float(config["alpha"]))

    def _relu(self, config: Mapping[str, Any]) -> None:
        most, slope, threshold = (config.get(name) or 0 for name in ("max_value", "negative_slope", "threshold"))
        if threshold or (most and slope):
            raise ValueError(
                f"threshold={threshold}, max_value={most} and negative_slope={slope} are not known here together"
            )
        if slope:
            self.add("LeakyReLU", float(slope))
        elif most:
            self.add("Hardtanh", 0.0, float(most))
        else:
            self.add("ReLU")

    def reshape(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """Reshape and Permute, of dimensions as Keras has them."""
        self.to_keras()
        if type(layer).__name__ == "Permute":
            self.add("Permute", [0, *config["dims"]])
        else:
            self.add("Reshape", list(config["target_shape"]))

    def zero_padding(self, layer: Any, config: Mapping[str, Any], shape: Sequence[Any]) -> None:
        """ZeroPadding1D and 2D."""
        _refuse_first(config)
        self.to_ours(shape)
        given = config["padding"]
        around = [both for pair in given for both in pair] if isinstance(given[0], (list, tuple)) else list(given)
        self.add(f"ZeroPad{len(shape) - 1}d", _outwards(around))


_READERS: Mapping[str, Callable[[_Reader, Any, Mapping[str, Any], Sequence[Any]], None]] = {
    "Dense": _Reader.dense,
    **dict.fromkeys(("Conv1D", "Conv2D"), _Reader.convolution),
    **{f"{kind}Pooling{dims}D": _Reader.pool for kind in ("Max", "Average") for dims in (1, 2)},
    **{f"Global{kind}Pooling{dims}D": _Reader.whole_pool for kind in ("Max", "Average") for dims in (1, 2)},
    "BatchNormalization": _Reader.batch_norm,
    "LayerNormalization": _Reader.layer_norm,
    "Embedding": _Reader.embedding,
    "Flatten": _Reader.flatten,
    **dict.fromkeys(("Dropout", "SpatialDropout2D"), _Reader.dropout),
    **dict.fromkeys(("Activation", "Softmax", "ReLU", "LeakyReLU", "ELU"), _Reader.plain_activation),
    **dict.fromkeys(("Reshape", "Permute"), _Reader.reshape),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _Reader.zero_padding),
}


def _shape(layer: Any) -> tuple[Any, ...]:
    """The shape of a row that a layer reads; None for a size that may vary."""
    # Keras 2 has input_shape; Keras 3 the tensor alone.
    shape = getattr(layer, "input_shape", None) or getattr(getattr(layer, "input", None), "shape", None)
    if shape is None:
        raise _refused(
            layer, "does not know the shape of what it reads; begin the model with keras.Input(shape), or call it once"
        )
    return tuple(shape)[1:]


def _weights(layer: Any, count: int) -> list[Any]:
    """The weights of a layer, of which there are so many."""
    found = layer.get_weights()
    if len(found) != count:
        raise ValueError(
            f"it has {len(found)} weights where {count} are known: those of LoRA and of quantization are not read"
        )
    return list(found)


def _refuse_first(config: Mapping[str, Any]) -> None:
    if config.get("data_format") == "channels_first":
        raise ValueError('data_format="channels_first" is not known here; Keras\'s default, "channels_last", is')


def _refuse_axis(config: Mapping[str, Any], shape: Sequence[Any]) -> None:
    axis = config["axis"]
    (one,) = axis if isinstance(axis, (list, tuple)) else (axis,)
    if one not in (-1, len(shape)):
        raise ValueError(f"axis={axis!r} is not known here; only axis=-1 is, the last")


def _affine(config: Mapping[str, Any], weights: Sequence[Any]) -> dict[str, Any]:
    """The weights of a normalisation by our names."""
    if config["center"] and not config["scale"]:
        raise ValueError("center=True with scale=False is not known here; have both, or neither")
    return dict(zip(("weight", "bias"), weights, strict=False))


def _around(shape: Sequence[Any], spans: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """What padding="same" puts before and behind each dimension of positions."""
    found = []
    for size, span, stride in zip(shape[:-1], spans, strides, strict=True):
        if size is None:
            raise ValueError(
                "padding='same' with strides needs a size of the input that is known; say it in keras.Input"
            )
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        found.append((total // 2, total - total // 2))
    return found


def _outwards(around: Sequence[int]) -> list[int]:
    """Sizes of padding, of the last dimension first, as PyTorch has them."""
    pairs = [list(around[at : at + 2]) for at in range(0, len(around), 2)]
    return [both for pair in pairs[::-1] for both in pair]


def _one(sizes: list[int]) -> Any:
    """One size as a number."""
    return sizes[0] if len(sizes) == 1 else sizes
