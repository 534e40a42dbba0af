"""Networks of PyTorch as networks of this package. PyTorch is imported to follow a forward alone: modules tell what they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from candlewick._document import Module
from candlewick._keras import is_keras
from candlewick._torch.forward import Forward
from candlewick._torch.layers import builder_of, children, is_sequential, is_torch, is_torchs, read
from candlewick._torch.network import Inputs, as_graph, network, places
from candlewick.errors import InvalidParameterError


def from_torch(module: Any, inputs: Inputs = None) -> Module | Any:
    """The network that a module of PyTorch is: one with a ``forward`` of its own, an ``nn.Sequential``, or a layer.

    A forward is followed once, on the driver, by torch.fx: what it calls must be layers of torch.nn that are known here, and
    functions and methods that are such layers: activations, pools, dropout with ``training=self.training``, flatten, view and
    reshape, sums, products, ``torch.cat``, means over steps or positions. If every layer reads the one before, the network is
    an ``nn.Sequential``, else an ``nn.Graph``, whose nodes have the names of the modules (``layer1_0_conv``).

    Its weights go where weights go: ``initialWeights`` takes the module too, and finds their names in the same way.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))  # doctest: +SKIP
        >>> NeuralClassifier(network=nn.from_torch(net), initialWeights=net)  # doctest: +SKIP
        >>> nn.from_torch(resnet, inputs=[3, 32, 32])  # doctest: +SKIP
        >>> nn.from_torch(towers, inputs={"user": [8], "item": nn.Input("product", [4])})  # doctest: +SKIP

    Args:
        module: The module.
        inputs: The shape of what goes in, without the batch, or an ``nn.Input``, which names a column too; of a forward with
            several arguments a dictionary by their names. A graph needs it where the shape is not told by a Linear that reads
            the argument; a chain becomes a graph by it. Left out, the input of a graph is the column "features", and several
            are columns with the names of the arguments. Arguments with a default have that, and are no inputs.

    Returns:
        An ``nn.Sequential``, a layer or an ``nn.Graph``; which one only the module tells, so type checkers take it for what the
        code says.

    Raises:
        InvalidParameterError: It computes something else; the message says where, what, and what to write instead.
    """
    # With its backend of PyTorch a model of Keras is a module too.
    if not is_torch(module) or is_keras(module):
        hint = "; nn.from_keras(model) reads a model of Keras" if is_keras(module) else ""
        raise TypeError(
            f"from_torch takes a module of PyTorch such as torch.nn.Sequential(...), not {module!r} of type "
            f"{type(module).__name__}{hint}"
        )
    if _is_followed(module):
        forward = Forward(module)
        made = network(forward, inputs, type(module).__name__)
        leaves = places(forward)
    else:
        chain = read(module, "", set(), {})
        made = chain if inputs is None else as_graph(chain, inputs)
        leaves = _leaves(module)
    _warn_of_frozen(leaves)
    return made


def _warn_of_frozen(leaves: Iterator[tuple[str, Any]]) -> None:
    """What is frozen is a matter of the optimiser here, and a network says nothing of it."""
    named = ((place, *one) for place, leaf in leaves for one in leaf.named_parameters())
    frozen = [place + name for place, name, value in named if not getattr(value, "requires_grad", True)]
    if frozen:
        more = f" and {len(frozen) - 3} more" if len(frozen) > 3 else ""
        warnings.warn(
            f"from_torch: {', '.join(frozen[:3])}{more} will be trained, though requires_grad is False there; a network does not "
            f'say what is frozen, the optimizer does: optim.AdamW(groups=[{{"params": {frozen!r}, "frozen": True}}])',
            stacklevel=3,
        )


def torch_state(module: Any) -> dict[str, Any]:
    """The weights of a module of PyTorch by the names that they have in the network that `from_torch` makes of it.

    Those of a module that it does not read keep their names: the network that they are for is built by other means.
    """
    leaves = _leaves(module)
    if _is_followed(module):
        try:
            leaves = places(Forward(module))
        except InvalidParameterError:
            leaves = iter([("", module)])
    return {place + name: value for place, leaf in leaves for name, value in leaf.state_dict().items()}


def _is_followed(module: Any) -> bool:
    """Whether it has a forward that is not PyTorch's, or holds a module that has."""
    if is_sequential(module):
        return any(_is_followed(child) for _, child in children(module))
    return is_torch(module) and builder_of(module) is None and not is_torchs(module, type(module).__name__)


def _leaves(module: Any) -> Iterator[tuple[str, Any]]:
    """The modules that are no Sequential, with what stands before the names of their weights here."""
    if is_sequential(module):
        return _inner(module, "", set())
    # A single layer is a network of one.
    return iter([("" if builder_of(module) is None else "0.", module)])


def _inner(module: Any, prefix: str, known: set[int]) -> Iterator[tuple[str, Any]]:
    # Weights of a module that stands at several places are named by the first.
    if id(module) in known:
        return
    known.add(id(module))
    if not is_sequential(module):
        yield prefix, module
        return
    # PyTorch may name the layers; here they have numbers.
    for at, (_, child) in enumerate(children(module)):
        yield from _inner(child, f"{prefix}{at}.", known)


__all__ = ["Inputs", "from_torch", "torch_state"]
