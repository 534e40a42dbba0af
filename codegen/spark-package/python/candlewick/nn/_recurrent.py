# Written by candlewick-codegen (`make generate`); do not edit.
"""Recurrent layers."""

from __future__ import annotations

from typing import Any, overload

from candlewick._document import Module, bind
from candlewick._domains import Domain, maybe, one_of, one_truth, real, truth, whole


class RNN(Module):
    """Recurrent network over a sequence [time, features] (Elman 1990, doi:10.1207/s15516709cog1402_1): h =
    tanh(W_ih x + b_ih + W_hh h + b_hh), from h = 0 on. Weights start uniform in ±1/√hidden_size. A second
    input in a graph, of shape [time], is not 0 where a step is padding: such steps leave the state as it is
    and put out 0, as packed sequences do in PyTorch.

    Args:
        input_size: Features of a step: size of the last dimension of the input. (whole number of at least
            1; may be left out)
        hidden_size: Features of the hidden state. (whole number of at least 1)
        num_layers: Layers on top of each other: each reads the hidden states of the one below. (whole
            number from 1 to 1024)
        nonlinearity: The function of the sum. ("tanh" or "relu")
        bias: Add learned biases. (true or false)
        batch_first: A row of the data is a sequence, so the batch is always the first dimension. PyTorch's
            default is false. (true (or leave it out))
        dropout: Probability that an element between two layers is set to zero while training. (number from
            0 to 1)
        bidirectional: Read the sequence a second time from its end, with weights of its own; the hidden
            states of both directions are put one after another. (true or false)
        output: What comes out: "all" for the top layer's hidden state of every step, [time, hidden_size],
            twice as wide where bidirectional; "last" for the hidden state after the last step,
            [hidden_size], where bidirectional followed by the hidden state of the other direction after it
            has read the first step. PyTorch returns both, as output and h_n. ("all" or "last")
    """

    _domains = {
        "input_size": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "hidden_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "num_layers": Domain(whole(1, 1024), "a whole number from 1 to 1024"),
        "nonlinearity": Domain(one_of("tanh", "relu"), '"tanh" or "relu"'),
        "bias": Domain(truth, "true or false"),
        "batch_first": Domain(one_truth(True), "true (or leave it out)"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "bidirectional": Domain(truth, "true or false"),
        "output": Domain(one_of("all", "last"), '"all" or "last"'),
    }
    _full = (
        "input_size",
        "hidden_size",
        "num_layers",
        "nonlinearity",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
    )
    _short = ("hidden_size",)
    _optional = {
        "num_layers": 1,
        "nonlinearity": "tanh",
        "bias": True,
        "batch_first": True,
        "dropout": 0.0,
        "bidirectional": False,
        "output": "all",
    }

    @overload
    def __init__(
        self,
        hidden_size: int,
        *,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        output: str = "all",
    ) -> None: ...

    @overload
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        output: str = "all",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class LSTM(Module):
    """Long short-term memory over a sequence [time, features] (Hochreiter and Schmidhuber 1997,
    doi:10.1162/neco.1997.9.8.1735), with forget gates: states start at 0, gates are in PyTorch's order i,
    f, g, o, c = f c + i g, h = o tanh(c). Weights start uniform in ±1/√hidden_size. A second input in a
    graph, of shape [time], is not 0 where a step is padding: such steps leave the state as it is and put
    out 0, as packed sequences do in PyTorch.

    Args:
        input_size: Features of a step: size of the last dimension of the input. (whole number of at least
            1; may be left out)
        hidden_size: Features of the hidden state. (whole number of at least 1)
        num_layers: Layers on top of each other: each reads the hidden states of the one below. (whole
            number from 1 to 1024)
        bias: Add learned biases. (true or false)
        batch_first: A row of the data is a sequence, so the batch is always the first dimension. PyTorch's
            default is false. (true (or leave it out))
        dropout: Probability that an element between two layers is set to zero while training. (number from
            0 to 1)
        bidirectional: Read the sequence a second time from its end, with weights of its own; the hidden
            states of both directions are put one after another. (true or false)
        proj_size: Features of the hidden state after a learned projection (Sak et al. 2014,
            arXiv:1402.1128), less than hidden_size; 0 for none. (whole number of at least 0)
        output: What comes out: "all" for the top layer's hidden state of every step, [time, hidden_size],
            twice as wide where bidirectional; "last" for the hidden state after the last step,
            [hidden_size], where bidirectional followed by the hidden state of the other direction after it
            has read the first step. PyTorch returns both, as output and h_n. ("all" or "last")
    """

    _domains = {
        "input_size": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "hidden_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "num_layers": Domain(whole(1, 1024), "a whole number from 1 to 1024"),
        "bias": Domain(truth, "true or false"),
        "batch_first": Domain(one_truth(True), "true (or leave it out)"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "bidirectional": Domain(truth, "true or false"),
        "proj_size": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "output": Domain(one_of("all", "last"), '"all" or "last"'),
    }
    _full = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    _short = ("hidden_size",)
    _optional = {
        "num_layers": 1,
        "bias": True,
        "batch_first": True,
        "dropout": 0.0,
        "bidirectional": False,
        "proj_size": 0,
        "output": "all",
    }

    @overload
    def __init__(
        self,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        output: str = "all",
    ) -> None: ...

    @overload
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        output: str = "all",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class GRU(Module):
    """Gated recurrent unit over a sequence [time, features] (Cho et al. 2014, arXiv:1406.1078): the state
    starts at 0, gates are in PyTorch's order r, z, n, and r scales the hidden state's product: n =
    tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h. Weights start uniform in ±1/√hidden_size.
    A second input in a graph, of shape [time], is not 0 where a step is padding: such steps leave the state
    as it is and put out 0, as packed sequences do in PyTorch.

    Args:
        input_size: Features of a step: size of the last dimension of the input. (whole number of at least
            1; may be left out)
        hidden_size: Features of the hidden state. (whole number of at least 1)
        num_layers: Layers on top of each other: each reads the hidden states of the one below. (whole
            number from 1 to 1024)
        bias: Add learned biases. (true or false)
        batch_first: A row of the data is a sequence, so the batch is always the first dimension. PyTorch's
            default is false. (true (or leave it out))
        dropout: Probability that an element between two layers is set to zero while training. (number from
            0 to 1)
        bidirectional: Read the sequence a second time from its end, with weights of its own; the hidden
            states of both directions are put one after another. (true or false)
        output: What comes out: "all" for the top layer's hidden state of every step, [time, hidden_size],
            twice as wide where bidirectional; "last" for the hidden state after the last step,
            [hidden_size], where bidirectional followed by the hidden state of the other direction after it
            has read the first step. PyTorch returns both, as output and h_n. ("all" or "last")
    """

    _domains = {
        "input_size": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "hidden_size": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "num_layers": Domain(whole(1, 1024), "a whole number from 1 to 1024"),
        "bias": Domain(truth, "true or false"),
        "batch_first": Domain(one_truth(True), "true (or leave it out)"),
        "dropout": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
        "bidirectional": Domain(truth, "true or false"),
        "output": Domain(one_of("all", "last"), '"all" or "last"'),
    }
    _full = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
    _short = ("hidden_size",)
    _optional = {
        "num_layers": 1,
        "bias": True,
        "batch_first": True,
        "dropout": 0.0,
        "bidirectional": False,
        "output": "all",
    }

    @overload
    def __init__(
        self,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        output: str = "all",
    ) -> None: ...

    @overload
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        output: str = "all",
    ) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


__all__ = [
    "GRU",
    "LSTM",
    "RNN",
]
