"""The parameter of the loss: one loss, or one for each output by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from candlewick._document import BUILDERS, Document, Loss, to_text
from candlewick._elsewhere import of_torch
from candlewick.errors import InvalidParameterError


def to_loss(value: object) -> str:
    """The JSON text of a loss, or of a dictionary of losses by the outputs that they are for."""
    if isinstance(value, Mapping) and value and not isinstance(value.get("type"), str):
        value = by_output(value)
    return to_text(value, Loss, "a loss such as nn.MSELoss(), or one for each output: {'digit': nn.CrossEntropyLoss()}")


def by_output(losses: Mapping[str, Any]) -> Document:
    """The sum of a loss for each output.

    Raises:
        TypeError: One is no loss.
        InvalidParameterError: One is a sum itself, or of another output.
    """
    whole: Any = BUILDERS["MultiLoss"]
    made: Document = whole([_term(output, loss) for output, loss in losses.items()])
    return made


def _term(output: str, loss: object) -> Any:
    if not isinstance(loss, Loss):
        hint = "; call it: add ()" if isinstance(loss, type) and issubclass(loss, Loss) else of_torch(loss, BUILDERS)
        raise TypeError(f"loss: expected a loss such as nn.MSELoss() for the output {output!r}, not {loss!r}{hint}")
    term: Any = BUILDERS["LossTerm"]
    if isinstance(loss, BUILDERS["MultiLoss"]):
        raise InvalidParameterError(
            f"loss: the loss of the output {output!r} is a MultiLoss; give the whole loss as one nn.MultiLoss, whose terms name "
            f"their outputs: nn.LossTerm(loss, output={output!r})"
        )
    if not isinstance(loss, term):
        return term(loss, output=output)
    if loss._arguments["output"] not in (None, output):
        raise InvalidParameterError(
            f"loss: the loss of the output {output!r} is a LossTerm over the output {loss._arguments['output']!r}; leave output "
            "out of it"
        )
    return term(**{**loss._arguments, "output": output})
