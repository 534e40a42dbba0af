"""Values that a forward changes in place, which networks here do not: a value is what its layer put out, whoever reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from candlewick._torch.trace import Call

#: Methods and functions whose result is the same memory.
_VIEWS = {
    "view", "reshape", "flatten", "squeeze", "unsqueeze", "transpose", "permute", "contiguous", "getitem", "unflatten", "float",
    "swapaxes", "swapdims",
}  # fmt: skip
#: Layers whose result is the same memory.
_VIEWING = {"Flatten", "Unflatten", "Identity"}
#: Calls that look at no values.
_SHAPES = {"size", "getattr", "dim", "numel"}


def refuse_overwritten(calls: Sequence[Call], modules: Mapping[str, Any]) -> None:
    """Refuses a forward that reads a tensor which was changed in place since it was made.

    Args:
        calls: The calls in their order.
        modules: The modules that are called, by their paths.

    Raises:
        InvalidParameterError: One does; the message names both calls.
    """
    memory: dict[str, str] = {}
    changed: dict[str, Call] = {}
    for call in calls:
        module = modules.get(call.target) if call.op == "call_module" else None
        read = list(call.refs())
        if call.target not in _SHAPES:
            stale = next((name for name in read if name in changed), None)
            if stale is not None:
                raise call.refused(
                    f"it reads {stale!r}, which {changed[stale].name!r} has changed in place before; write inplace=False, "
                    "F.relu(x) for F.relu_(x) and x = x + y for x += y, or read what the change returned"
                )
        place = memory.get(read[0], read[0]) if read else call.name
        if read and _in_place(call, module):
            changed |= {name: call for name in [place, *memory] if memory.get(name, name) == place}
            memory[call.name] = place
        elif read and (call.target in _VIEWS or type(module).__name__ in _VIEWING):
            memory[call.name] = place


def _in_place(call: Call, module: Any) -> bool:
    if module is not None:
        return getattr(module, "inplace", False) is True
    if call.op not in ("call_function", "call_method"):
        return False
    named = call.target.endswith("_") and not call.target.startswith("_")
    return named or call.target in ("iadd", "imul") or call.kwargs.get("inplace") is True
