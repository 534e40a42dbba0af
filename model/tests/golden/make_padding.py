"""Writes padding.json: sequences whose ends are padding. `make golden` runs it."""

import torch
from golden import FORMAT, layer_case, write
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

ROWS, STEPS, SIZE = 13, 5, 3


def features() -> torch.Tensor:
    """Sequences, and 1 where a step is padding; each has one step at least."""
    lengths = torch.randint(1, STEPS + 1, (ROWS,))
    lengths[0], lengths[1] = STEPS, 1
    padding = (torch.arange(STEPS) >= lengths[:, None]).double()
    return torch.cat([torch.randn(ROWS, STEPS * SIZE).float().double(), padding], dim=1)


def split(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[:, : STEPS * SIZE].unflatten(1, (STEPS, SIZE)), x[:, STEPS * SIZE :] != 0


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module, last: bool) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, SIZE)
        self.layer, self.last = layer, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sequence, padding = split(x)
        lengths = STEPS - padding.sum(dim=1)
        packed = pack_padded_sequence(self.first(sequence), lengths, batch_first=True, enforce_sorted=False)
        output, state = self.layer(packed)
        state = state[0] if isinstance(state, tuple) else state
        if self.last:
            return torch.cat(list(state[-2:] if self.layer.bidirectional else state[-1:]), dim=1)
        return pad_packed_sequence(output, batch_first=True, total_length=STEPS)[0]


class Attention(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, 4)
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sequence, padding = split(x)
        value = self.first(sequence)
        if isinstance(self.layer, nn.MultiheadAttention):
            return self.layer(value, value, value, key_padding_mask=padding, need_weights=False)[0]
        return self.layer(value, src_key_padding_mask=padding)


def case(name: str, net: nn.Module, layer: dict, size: int, more: list[str] = ()) -> dict:
    document = {
        "format": FORMAT,
        "inputs": [{"name": "x", "shape": [STEPS, SIZE]}, {"name": "padding", "shape": [STEPS]}],
        "nodes": [
            {"name": "first", "inputs": ["x"], "layer": {"type": "Linear", "out_features": size}},
            {"name": "layer", "inputs": ["first", *more, "padding"], "layer": layer},
        ],
        "outputs": ["layer"],
    }
    return layer_case(name, net, document, [STEPS * SIZE + STEPS], features())


class Decoder(nn.Module):
    """A decoder layer from a sequence to itself, with the mask of its padding for the memory, and for the target too."""

    def __init__(self, both: bool, **options: object) -> None:
        super().__init__()
        self.first, self.memory = nn.Linear(SIZE, 4), nn.Linear(SIZE, 4)
        self.layer = nn.TransformerDecoderLayer(4, 2, 6, 0.0, batch_first=True, **options)
        self.both = both

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sequence, padding = split(x)
        target = {"tgt_key_padding_mask": padding} if self.both else {}
        return self.layer(self.first(sequence), self.memory(sequence), memory_key_padding_mask=padding, **target)


def decoder(*, both: bool, **options: object) -> dict:
    layer = {"type": "TransformerDecoderLayer", "nhead": 2, "dim_feedforward": 6, "dropout": 0.0, **options}
    made = case(f"decoder both={both} {options}", Decoder(both, **options), layer, 4)
    masks = ["padding", "padding"] if both else ["padding"]
    memory = {"name": "memory", "inputs": ["x"], "layer": {"type": "Linear", "out_features": 4}}
    first, last = made["network"]["nodes"]
    made["network"]["nodes"] = [first, memory, {**last, "inputs": ["first", "memory", *masks]}]
    return made


class Words(nn.Module):
    """Words that end with zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, SIZE, padding_idx=0)
        self.last = nn.GRU(SIZE, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lengths = (x != 0).sum(dim=1)
        packed = pack_padded_sequence(self.words(x.long()), lengths, batch_first=True, enforce_sorted=False)
        return self.last(packed)[1][-1]


def words() -> dict:
    x = torch.randint(1, 7, (ROWS, STEPS)).double() * (1 - features()[:, STEPS * SIZE :])
    table = {"type": "Embedding", "num_embeddings": 7, "embedding_dim": SIZE, "padding_idx": 0}
    document = {
        "format": FORMAT,
        "inputs": [{"name": "x", "shape": [STEPS]}],
        "nodes": [
            {"name": "padding", "inputs": ["x"], "layer": {"type": "Eq", "other": 0.0}},
            {"name": "words", "inputs": ["x"], "layer": table},
            {"name": "last", "inputs": ["words", "padding"],
             "layer": {"type": "GRU", "hidden_size": 4, "output": "last"}},
        ],
        "outputs": ["last"],
    }  # fmt: skip
    return layer_case("words", Words(), document, [STEPS], x)


def recurrent(kind: str, *, last: bool, **options: object) -> dict:
    layer = {"type": kind, "hidden_size": 4, "output": "last" if last else "all", **options}
    net = Recurrent(getattr(nn, kind)(SIZE, 4, batch_first=True, **options), last)
    return case(f"{kind} {options} last={last}", net, layer, SIZE)


def main() -> None:
    torch.manual_seed(13)
    # Its fast path puts out 0 for padding.
    torch.backends.mha.set_fastpath_enabled(False)
    encoder = {"nhead": 2, "dim_feedforward": 6, "dropout": 0.0}
    made = nn.TransformerEncoderLayer(4, batch_first=True, **encoder)
    stack = nn.TransformerEncoder(made, 2, enable_nested_tensor=False)
    document = {"type": "TransformerEncoderLayer", **encoder}
    attention = {"type": "MultiheadAttention", "num_heads": 2}
    cases = [
        *(recurrent(kind, last=last, bidirectional=both) for kind in ("RNN", "LSTM", "GRU")
          for last in (False, True) for both in (False, True)),
        recurrent("LSTM", last=False, num_layers=2, bidirectional=True),
        recurrent("GRU", last=True, num_layers=2),
        recurrent("LSTM", last=True, num_layers=2, bidirectional=True, proj_size=2),
        recurrent("LSTM", last=False, proj_size=3),
        case("attention", Attention(nn.MultiheadAttention(4, 2, batch_first=True)), attention, 4),
        case("attention over an input of its own", Attention(nn.MultiheadAttention(4, 2, batch_first=True)),
             attention, 4, ["first", "first"]),
        case("encoder layer", Attention(made), document, 4),
        case("encoder", Attention(stack), {"type": "TransformerEncoder", "encoder_layer": document, "num_layers": 2}, 4),
        words(),
        decoder(both=False),
        decoder(both=True, norm_first=True),
    ]  # fmt: skip
    write("padding", cases)


if __name__ == "__main__":
    main()
