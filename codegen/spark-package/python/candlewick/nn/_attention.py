# Written by candlewick-codegen (`make generate`); do not edit.
"""Attention and transformers."""

from __future__ import annotations

from typing import Any, overload

from candlewick._document import Module, bind
from candlewick._domains import Domain, mapping, maybe, one_of, one_truth, real, truth, whole


class MultiheadAttention(Module):
    """Attention of several heads (Vaswani et al. 2017, arXiv:1706.03762): softmax(Q Kᵀ / √d) V for each,
    between learned projections. One input of shape [length, embed_dim] attends to itself; a node of a graph
    with three inputs takes query, key and value. A further input of shape [length] is the key_padding_mask:
    what is not 0 there is padding, which nothing attends to; where there is nothing else, 0 comes out
    before the last projection. The batch comes first.

    Args:
        embed_dim: Size of the last dimension of the queries and of the output. (whole number of at least 1;
            may be left out)
        num_heads: Heads; each has embed_dim / num_heads values. (whole number of at least 1)
        dropout: Probability that an attention weight is set to zero while training. (number from 0 to 1)
        bias: Add learned biases. (true or false)
        kdim: Size of the last dimension of the keys. (whole number of at least 1; may be left out)
        vdim: Size of the last dimension of the values. (whole number of at least 1; may be left out)
        batch_first: A row of the data is a sequence, so the batch is always the first dimension. PyTorch's
            default is false. (true (or leave it out))
        is_causal: Hide from every position those after it. (true or false)
    """

    _domains = {
        "embed_dim": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "num_heads": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "bias": Domain(truth, "true or false"),
        "kdim": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "vdim": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "batch_first": Domain(one_truth(True), "true (or leave it out)"),
        "is_causal": Domain(truth, "true or false"),
    }
    _full = ("embed_dim", "num_heads", "dropout", "bias")
    _short = ("num_heads",)
    _optional = {"dropout": 0.0, "bias": True, "kdim": None, "vdim": None, "batch_first": True, "is_causal": False}

    @overload
    def __init__(
        self,
        num_heads: int,
        *,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = True,
        is_causal: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = True,
        is_causal: bool = False,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward network, each with a residual connection and LayerNorm (Vaswani et
    al. 2017, arXiv:1706.03762), over a sequence of shape [length, d_model]. A second input in a graph, of
    shape [length], is the src_key_padding_mask of PyTorch: what is not 0 there is padding. The batch comes
    first.

    Args:
        d_model: Size of the last dimension of the input. (whole number of at least 1; may be left out)
        nhead: Heads of the attention; each has d_model / nhead values. (whole number of at least 1)
        dim_feedforward: Size between the two Linear layers. (whole number of at least 1)
        dropout: Probability of dropout: of attention weights, after the attention, and twice in the
            feed-forward part. (number from 0 to 1)
        activation: What comes between the two Linear layers. ("relu" or "gelu")
        layer_norm_eps: Added to the variances of both LayerNorms. (number of at least 0)
        batch_first: A row of the data is a sequence, so the batch is always the first dimension. PyTorch's
            default is false. (true (or leave it out))
        norm_first: Normalise before attention and feed-forward part, not after. (true or false)
        bias: Add learned biases. (true or false)
        is_causal: Hide from every position those after it. (true or false)
    """

    _domains = {
        "d_model": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "nhead": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "dim_feedforward": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "activation": Domain(one_of("relu", "gelu"), '"relu" or "gelu"'),
        "layer_norm_eps": Domain(real(0.0), "a finite number of at least 0"),
        "batch_first": Domain(one_truth(True), "true (or leave it out)"),
        "norm_first": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
        "is_causal": Domain(truth, "true or false"),
    }
    _full = (
        "d_model",
        "nhead",
        "dim_feedforward",
        "dropout",
        "activation",
        "layer_norm_eps",
        "batch_first",
        "norm_first",
        "bias",
    )
    _short = ("nhead",)
    _optional = {
        "dim_feedforward": 2048,
        "dropout": 0.1,
        "activation": "relu",
        "layer_norm_eps": 1e-5,
        "batch_first": True,
        "norm_first": False,
        "bias": True,
        "is_causal": False,
    }

    @overload
    def __init__(
        self,
        nhead: int,
        *,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        is_causal: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        *,
        is_causal: bool = False,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class TransformerEncoder(Module):
    """Transformer encoder layers one after another (Vaswani et al. 2017, arXiv:1706.03762), over a sequence
    of shape [length, d_model].

    Args:
        encoder_layer: The TransformerEncoderLayer that is repeated. Every layer starts from numbers of its
            own; in PyTorch all start from the same. (object of its builder, or its JSON document)
        num_layers: How many of them there are. (whole number from 1 to 1024)
        norm: A layer after the last one, such as LayerNorm. (object of its builder, or its JSON document;
            or none)
    """

    _domains = {
        "encoder_layer": Domain(mapping, 'an object such as {"type": "ReLU"}'),
        "num_layers": Domain(whole(1, 1024), "a whole number from 1 to 1024"),
        "norm": Domain(maybe(mapping), 'an object such as {"type": "ReLU"}, or null'),
    }

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__({"encoder_layer": encoder_layer, "num_layers": num_layers, "norm": norm})


class TransformerDecoderLayer(Module):
    """Self-attention, attention to another sequence and a feed-forward network, each with a residual
    connection and LayerNorm (Vaswani et al. 2017, arXiv:1706.03762). A node of a graph with two inputs: the
    sequence of shape [length, d_model] and the one it attends to, of a length of its own. A third input is
    the mask of padding of the other sequence (memory_key_padding_mask of PyTorch); with four the third is
    the one of the sequence itself. is_causal is for the self-attention.

    Args:
        d_model: Size of the last dimension of the input. (whole number of at least 1; may be left out)
        nhead: Heads of the attention; each has d_model / nhead values. (whole number of at least 1)
        dim_feedforward: Size between the two Linear layers. (whole number of at least 1)
        dropout: Probability of dropout: of attention weights, after the attention, and twice in the
            feed-forward part. (number from 0 to 1)
        activation: What comes between the two Linear layers. ("relu" or "gelu")
        layer_norm_eps: Added to the variances of both LayerNorms. (number of at least 0)
        batch_first: A row of the data is a sequence, so the batch is always the first dimension. PyTorch's
            default is false. (true (or leave it out))
        norm_first: Normalise before attention and feed-forward part, not after. (true or false)
        bias: Add learned biases. (true or false)
        is_causal: Hide from every position those after it. (true or false)
    """

    _domains = {
        "d_model": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "nhead": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "dim_feedforward": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "activation": Domain(one_of("relu", "gelu"), '"relu" or "gelu"'),
        "layer_norm_eps": Domain(real(0.0), "a finite number of at least 0"),
        "batch_first": Domain(one_truth(True), "true (or leave it out)"),
        "norm_first": Domain(truth, "true or false"),
        "bias": Domain(truth, "true or false"),
        "is_causal": Domain(truth, "true or false"),
    }
    _full = (
        "d_model",
        "nhead",
        "dim_feedforward",
        "dropout",
        "activation",
        "layer_norm_eps",
        "batch_first",
        "norm_first",
        "bias",
    )
    _short = ("nhead",)
    _optional = {
        "dim_feedforward": 2048,
        "dropout": 0.1,
        "activation": "relu",
        "layer_norm_eps": 1e-5,
        "batch_first": True,
        "norm_first": False,
        "bias": True,
        "is_causal": False,
    }

    @overload
    def __init__(
        self,
        nhead: int,
        *,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        is_causal: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        *,
        is_causal: bool = False,
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class PositionalEncoding(Module):
    """Adds sines and cosines of every position to a sequence of shape [length, d_model] (Vaswani et al.
    2017, arXiv:1706.03762): sin(p / 10000^(2i / d_model)) to value 2i of position p, the cosine to value 2i
    + 1.

    Args:
        d_model: Size of the last dimension of the input. (whole number of at least 1; may be left out)
        dropout: Probability that an element of the sum is set to zero while training. (number from 0 to 1)
        max_len: Positions that a sequence has at most. (whole number of at least 1)
    """

    _domains = {
        "d_model": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "max_len": Domain(whole(1, 2147483648), "a whole number of at least 1"),
    }
    _full = ("d_model", "dropout", "max_len")
    _short = ()
    _optional = {"dropout": 0.1, "max_len": 5000}

    @overload
    def __init__(self, *, dropout: float = 0.1, max_len: int = 5000) -> None: ...

    @overload
    def __init__(self, d_model: int, dropout: float = 0.1, max_len: int = 5000) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class LearnedPositionalEncoding(Module):
    """Adds a learned vector for every position to a sequence of shape [length, d_model]. The table starts
    normal around 0 with deviation 0.02 (Devlin et al. 2019, arXiv:1810.04805).

    Args:
        d_model: Size of the last dimension of the input. (whole number of at least 1; may be left out)
        max_len: Positions of the table; without it the length of the input. (whole number of at least 1; or
            none)
    """

    _domains = {
        "d_model": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "max_len": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1, or null"),
    }
    _full = ("d_model", "max_len")
    _short = ()
    _optional = {"max_len": None}

    @overload
    def __init__(self, *, max_len: int | None = None) -> None: ...

    @overload
    def __init__(self, d_model: int, max_len: int | None = None) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


__all__ = [
    "LearnedPositionalEncoding",
    "MultiheadAttention",
    "PositionalEncoding",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
