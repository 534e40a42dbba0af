"""nn.from_keras reads what layers of Keras tell of themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from standin_keras import cnn, layer, sequential

from candlewick import nn
from candlewick._document import to_network
from candlewick._keras import keras_state
from candlewick._weights import to_weights
from candlewick.errors import InvalidParameterError

ONES = np.ones


def test_pictures_have_their_channels_first_here() -> None:
    net, _, _ = cnn()
    with pytest.warns(UserWarning, match=r"the Softmax at the end is left out, since nn.CrossEntropyLoss applies it"):
        read = nn.from_keras(net)
    layers = [
        nn.Permute([0, 3, 1, 2]),
        nn.Conv2d(2, 4, [3, 3], stride=[1, 1], dilation=[1, 1]),
        nn.ReLU(),
        nn.BatchNorm2d(4, eps=0.001, momentum=0.01),
        nn.MaxPool2d([2, 2], [2, 2]),
        nn.Conv2d(4, 5, [2, 3], stride=[1, 1], dilation=[1, 1]),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Linear(20, 6),
        nn.Tanh(),
        nn.Linear(6, 3),
    ]
    assert read == nn.Sequential(*layers)
    assert nn.from_keras(net, logits=False) == nn.Sequential(*layers, nn.Softmax(dim=-1))


def test_kernels_are_transposed_and_those_behind_a_flatten_sorted() -> None:
    net, _, _ = cnn()
    state = keras_state(net)
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(state) == [*(f"1.{one}" for one in names[:2]), *(f"3.{one}" for one in names)] + [
        f"{at}.{one}" for at in (5, 10, 12) for one in names[:2]
    ]
    kernel = net.layers[3].get_weights()[0]
    assert state["5.weight"].shape == (5, 4, 2, 3) and state["5.weight"][4, 3, 1, 2] == kernel[1, 2, 3, 4]
    dense = net.layers[8].get_weights()[0].reshape(2, 2, 5, 6)
    # Position 11 in our order is channel 2, row 1, column 1.
    assert state["10.weight"][3, 11] == dense[1, 1, 2, 3]
    assert to_weights(net) == to_weights(state)


#: Layers with the shape that they read, and what they are here.
LAYERS: list[tuple[Any, tuple[int, ...], list[nn.Module]]] = [
    (layer("Dense", ONES((4, 3)), use_bias=False), (4,), [nn.Linear(4, 3, bias=False)]),
    (layer("Dense", ONES((4, 3)), ONES(3), activation="leaky_relu"), (7, 4), [nn.Linear(4, 3), nn.LeakyReLU(0.2)]),
    (layer("Embedding", ONES((9, 4))), (5,), [nn.Embedding(9, 4)]),
    (layer("BatchNormalization", *ONES((4, 5))), (5,), [nn.BatchNorm1d(5, 0.001, 0.01)]),
    (
        layer("BatchNormalization", *ONES((2, 5)), center=False, scale=False, momentum=0.9),
        (5,),
        [nn.BatchNorm1d(5, 0.001, 0.1, affine=False)],
    ),
    (layer("BatchNormalization", *ONES((3, 5)), center=False), (5,), [nn.BatchNorm1d(5, 0.001, 0.01, bias=False)]),
    (layer("LayerNormalization", *ONES((2, 5)), axis=[1]), (5,), [nn.LayerNorm(5, 0.001)]),
    (layer("LayerNormalization", ONES(5), center=False), (5,), [nn.LayerNorm(5, 0.001, bias=False)]),
    (layer("ReLU", max_value=6.0), (5,), [nn.Hardtanh(0.0, 6.0)]),
    (layer("ReLU", negative_slope=0.1), (5,), [nn.LeakyReLU(0.1)]),
    (layer("LeakyReLU"), (5,), [nn.LeakyReLU(0.3)]),
    (layer("ELU"), (5,), [nn.ELU(1.0)]),
    (layer("Activation", activation="swish"), (5,), [nn.SiLU()]),
    (layer("Flatten"), (3, 4), [nn.Flatten()]),
    (layer("Reshape", target_shape=(3, -1)), (6,), [nn.Reshape([3, -1])]),
    (layer("Permute", dims=(2, 1)), (3, 4), [nn.Permute([0, 2, 1])]),
    (
        layer("Conv1D", ONES((3, 2, 4)), ONES(4), padding="causal", dilation_rate=(2,)),
        (7, 2),
        [nn.Permute([0, 2, 1]), nn.ZeroPad1d([4, 0]), nn.Conv1d(2, 4, 3, dilation=2), nn.Permute([0, 2, 1])],
    ),
    (
        layer("Conv2D", ONES((3, 3, 2, 4)), padding="same", activation="softmax"),
        (8, 8, 2),
        [
            nn.Permute([0, 3, 1, 2]),
            nn.Conv2d(2, 4, [3, 3], stride=[1, 1], padding="same", dilation=[1, 1], bias=False),
            nn.Softmax(dim=1),
            nn.Permute([0, 2, 3, 1]),
        ],
    ),
    (
        # Eight by three: the last window of each lies over the end.
        layer("Conv2D", ONES((3, 3, 2, 4)), padding="same", strides=(2, 1)),
        (8, 3, 2),
        [
            nn.Permute([0, 3, 1, 2]),
            nn.ZeroPad2d([1, 1, 0, 1]),
            nn.Conv2d(2, 4, [3, 3], stride=[2, 1], dilation=[1, 1], bias=False),
            nn.Permute([0, 2, 3, 1]),
        ],
    ),
    (
        layer("AveragePooling1D", pool_size=(3,), strides=(1,), padding="same"),
        (7, 2),
        [nn.Permute([0, 2, 1]), nn.AvgPool1d(3, 1, 1, count_include_pad=False), nn.Permute([0, 2, 1])],
    ),
    (
        layer("MaxPooling2D", padding="same"),
        (5, 4, 2),
        [nn.Permute([0, 3, 1, 2]), nn.MaxPool2d([2, 2], [2, 2], ceil_mode=True), nn.Permute([0, 2, 3, 1])],
    ),
    (
        layer("AveragePooling2D", strides=(2, 1), pool_size=(2, 1), padding="same"),
        (5, 4, 2),
        [nn.Permute([0, 3, 1, 2]), nn.AvgPool2d([2, 1], [2, 1], ceil_mode=True), nn.Permute([0, 2, 3, 1])],
    ),
    (
        layer("GlobalAveragePooling2D"),
        (5, 4, 2),
        [nn.Permute([0, 3, 1, 2]), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    ),
    (
        layer("GlobalMaxPooling1D", keepdims=True),
        (5, 2),
        [nn.Permute([0, 2, 1]), nn.AdaptiveMaxPool1d(1), nn.Permute([0, 2, 1])],
    ),
    (
        layer("ZeroPadding2D", padding=((1, 2), (3, 4))),
        (5, 4, 2),
        [nn.Permute([0, 3, 1, 2]), nn.ZeroPad2d([3, 4, 1, 2]), nn.Permute([0, 2, 3, 1])],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "shape", "layers"), LAYERS, ids=[f"{one.name}-{at}" for at, (one, _, _) in enumerate(LAYERS)]
)
def test_layers_of_keras_are_ours(one: Any, shape: tuple[int, ...], layers: list[nn.Module]) -> None:
    assert nn.from_keras(sequential([shape], one), logits=False) == nn.Sequential(*layers)


def test_what_lies_between_a_flatten_and_a_dense_keeps_the_order_of_keras() -> None:
    convolution, norm = layer("Conv1D", ONES((2, 3, 4)), kernel_size=(2,)), layer("BatchNormalization", *ONES((4, 12)))
    net = sequential([(4, 3), (3, 4), (12,), (12,)], convolution, layer("Flatten"), norm, layer("Dense", ONES((12, 2))))
    read = nn.from_keras(net)
    assert [type(one).__name__ for one in read] == ["Permute", "Conv1d", "Permute", "Flatten", "BatchNorm1d", "Linear"]


def test_a_sequential_within_another_is_read_and_a_sigmoid_at_the_end_left_out() -> None:
    inner = sequential([(4,)], layer("Dense", ONES((4, 3)), ONES(3), activation="relu"))
    net = sequential([(4,), (3,)], inner, layer("Dense", ONES((3, 1)), ONES(1), activation="sigmoid"))
    with pytest.warns(UserWarning, match="the Sigmoid at the end is left out, since nn.BCEWithLogitsLoss applies it"):
        assert nn.from_keras(net) == nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))


#: What is refused, with the shape that it reads, and what is said.
REFUSED: list[tuple[Any, tuple[int | None, ...], str]] = [
    (layer("Dense", *ONES((4, 3, 3))), (4,), "it has 4 weights where 2 are known: those of LoRA"),
    (layer("LSTM"), (5, 4), r"lstm \(keras.src.layers.LSTM\) has no counterpart here; known are Activation"),
    (
        layer("Dense", ONES((4, 3)), activation="exponential"),
        (4,),
        r"dense .*: its activation 'exponential' is not known",
    ),
    (
        layer("Dense", ONES((4, 3)), activation={"class_name": "ReLU"}),
        (4,),
        "its activation .*'ReLU'.* is not known here",
    ),
    (
        layer("Conv2D", ONES((3, 3, 2, 4)), data_format="channels_first"),
        (2, 8, 8),
        "channels_first.* is not known here",
    ),
    (
        layer("Conv1D", ONES((3, 2, 4)), strides=(2,), padding="same"),
        (None, 2),
        "needs a size of the input that is known",
    ),
    (layer("MaxPooling1D", pool_size=(2,), strides=(1,), padding="same"), (5, 2), "padding='same' of pool_size"),
    (layer("BatchNormalization", *ONES((4, 5)), axis=1), (5, 3), "axis=1 is not known here; only axis=-1 is"),
    (layer("BatchNormalization", *ONES((3, 5)), scale=False), (5,), "center=True with scale=False is not known"),
    (layer("BatchNormalization", *ONES((4, 5)), renorm=True), (5,), "renorm=False"),
    (layer("LayerNormalization", *ONES((2, 5)), rms_scaling=True), (5,), "rms_scaling=True is not known"),
    (layer("Embedding", ONES((9, 4)), mask_zero=True), (5,), "mask_zero=True is not known"),
    (layer("Dropout", noise_shape=(1, 4)), (4,), "noise_shape is not known"),
    (layer("ReLU", threshold=1.0), (4,), "threshold=1.0, max_value=0 and negative_slope=0 are not known here together"),
    (layer("Dropout", rate=1.5), (4,), r"dropout .*p = 1.5 is not legal"),
]


@pytest.mark.parametrize(("one", "shape", "told"), REFUSED)
def test_what_has_no_counterpart_is_refused_with_its_place(one: Any, shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"^from_keras: .*{told}"):
        nn.from_keras(sequential([shape], one))


def test_other_models_and_objects_are_told_where_they_belong() -> None:
    functional: Any = layer("Functional")
    functional.layers = []
    with pytest.raises(
        InvalidParameterError, match=r"expected a keras.Sequential; build a model of several branches with nn.Graph"
    ):
        nn.from_keras(functional)
    unbuilt = sequential([(4,)], layer("Dense", ONES((4, 3))))
    del unbuilt.layers[0].input
    with pytest.raises(InvalidParameterError, match=r"begin the model with keras.Input\(shape\), or call it once"):
        nn.from_keras(unbuilt)
    # A class of one's own that is named like one of Keras's.
    own: Any = type("Dense", (type(unbuilt.layers[0]),), {"__module__": "mine"})({}, [])
    own.name = "dense"
    with pytest.raises(InvalidParameterError, match=r"\(mine.Dense\) has no counterpart here"):
        nn.from_keras(sequential([(4,)], own))
    net, _, _ = cnn()
    for call in (lambda: to_network(net), lambda: nn.Sequential(net), lambda: nn.from_torch(net)):
        with pytest.raises(TypeError, match=r"nn.from_keras\(model\) reads a model of Keras"):
            call()
    with pytest.raises(TypeError, match=r"from_keras takes a keras.Sequential, not Linear"):
        nn.from_keras(nn.Linear(3))


def test_what_is_no_matter_of_a_network_is_told() -> None:
    permuted = layer("Permute", dims=(1,))
    frozen = layer("Dense", ONES((4, 3)), kernel_regularizer={"class_name": "L2"}, bias_regularizer=None)
    frozen.trainable = False
    with pytest.warns(UserWarning) as told:
        nn.from_keras(sequential([(4,), (4,)], permuted, frozen))
    texts = [str(one.message) for one in told]
    assert any("kernel_regularizer of dense is left out; the optimizer has weight_decay" in text for text in texts)
    assert (
        any("""optim.AdamW(groups=[{"params": "1.*", "frozen": True}])""" in text for text in texts) and len(texts) == 2
    )
