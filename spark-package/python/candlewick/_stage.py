"""What estimators and models are to Python itself: how they show themselves, are copied, and are not pickled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from pyspark.ml.param import Param, Params

from candlewick import _html
from candlewick._document import Document
from candlewick._elsewhere import of_accessor
from candlewick._remote import is_remote

if TYPE_CHECKING:
    from typing_extensions import Self

#: Whether a shallow copy is asked for by Spark ML's copy() of this thread.
_copying = threading.local()
#: Longest text of a value in a repr.
_SHOWN = 60
#: Longest text of a value where a parameter is explained.
_EXPLAINED = 160


class NotPickled(Params):
    """A stage whose other half lives in the JVM of a Spark session: it can be copied there, and saved, but not pickled."""

    #: That half. PySpark looks at it when a stage goes, also one whose constructor has refused a parameter.
    _java_obj: Any = None

    # Not for type checkers, to which it would mean that there is an attribute of any name.
    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            """Refuses a value in place of a parameter: nothing would look at it, and the parameter would be gone."""
            # Spark ML itself sets Params, those of a copy.
            if not isinstance(value, Param) and not name.startswith("_"):
                self._refuse_parameter(name, value)
            super().__setattr__(name, value)

        def __getattr__(self, name: str) -> object:
            """Tells of a setter of another library what it is here."""
            if hasattr(type(self), name):
                # A property that failed: with its own error.
                return object.__getattribute__(self, name)
            kind = type(self)
            hint = of_accessor(name, kind)
            # Python's own suggestion stands where there is no hint.
            known = {} if hint else {"name": name, "obj": self}
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}{hint}", **known)

    def _refuse_parameter(self, name: str, value: object) -> None:
        kind, setter = type(self), f"set{name[:1].upper()}{name[1:]}"
        if callable(getattr(kind, setter, None)):
            raise AttributeError(f"{kind.__name__}.{name} is a parameter: set it with {setter}({_text(value)})")
        if isinstance(getattr(kind, name, None), Param):
            raise AttributeError(f"{kind.__name__}.{name} is a parameter: what the model was trained with stays")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses to be pickled, with the way out."""
        kind = type(self).__name__
        raise TypeError(
            f"a {kind} cannot be pickled: it lives in the JVM of its Spark session. Save it with "
            f"stage.write().overwrite().save(path) and load it with {kind}.load(path); in a Spark job, call "
            "transform(df) on the driver instead of using the model in a function of yours"
        )

    def clear(self, param: Param[Any]) -> None:
        """Clears a parameter. PySpark's own method does nothing over Spark Connect, and nothing before there is a half in the JVM."""
        if is_remote() or self._java_obj is None:
            Params.clear(self, param)
        else:
            super().clear(param)

    def _set(self, **kwargs: Any) -> Self:
        """None unsets a parameter: PySpark would keep it, and the JVM take it for 0."""
        for name in [name for name, value in kwargs.items() if value is None]:
            del kwargs[name]
            self.clear(self.getParam(name))
        return super()._set(**kwargs)

    def copy(self, extra: dict[Param[Any], Any] | None = None) -> Self:
        """Spark ML's copy, with its own half in the JVM.

        Args:
            extra: Parameters that it has beside, or instead of, those that are set.
        """
        _copying.shallow = True
        try:
            made = super().copy(extra)
        finally:
            _copying.shallow = False
        given = extra or {}
        for param in made.params:
            # Its half was copied with what is unset here. Parameters of other stages are theirs.
            if param in given and given[param] is None:
                made.clear(param)
        return made

    def __copy__(self) -> Self:
        """A copy as :meth:`copy` makes one, since two stages that share their half would take it from each other."""
        if not getattr(_copying, "shallow", False):
            return self.copy()
        # Spark ML's copy() begins with a shallow one. Where a value is refused that is its end: no half must go with it.
        _copying.shallow = False
        made = object.__new__(type(self))
        vars(made).update(vars(self))
        if not isinstance(self._java_obj, str):
            made._java_obj = None
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Spark ML's copy, which has its own half in the JVM."""
        return self.copy()


class Explained(Params):
    """A stage that tells what its parameters are set to as its builders write it."""

    def explainParam(self, param: str | Param[Any]) -> str:
        """What a parameter does and what it is set to; networks and optimisers as they are written, long values in short."""
        known = self._resolveParam(param)
        values = []
        if self.hasDefault(known):
            values.append(f"default: {_line(self._defaultParamMap[known])}")
        if self.isSet(known):
            values.append(f"current: {_line(self._value(known, self._paramMap[known]))}")
        return f"{known.name}: {known.doc} ({', '.join(values) or 'undefined'})"

    def _value(self, param: Param[Any], value: Any) -> Any:
        """What a person set: the builder's object for the JSON text that Spark keeps."""
        read = getattr(self, f"get{param.name[0].upper()}{param.name[1:]}", None)
        try:
            found = read() if read else value
        except ValueError:
            # A document that was not made by the builders, and is not legal; fit says so.
            return value
        return found if isinstance(found, Document) else value


class Shown(Explained):
    """An estimator that shows the parameters that differ from their defaults, as scikit-learn's do."""

    def _shown(self) -> Iterator[tuple[Param[Any], Any]]:
        """The parameters that were set to another value than the default."""
        for param in self.params:
            if self.isSet(param):
                value = self.getOrDefault(param)
                if not self.hasDefault(param) or self._defaultParamMap[param] != value:
                    yield param, self._value(param, value)

    def __repr__(self) -> str:
        rows = [f"{param.name}={_text(value)}".replace("\n", "\n  ") for param, value in self._shown()]
        inside = ", ".join(rows)
        if "\n" in inside or len(inside) > 2 * _SHOWN:
            inside = "".join(f"\n  {row}," for row in rows) + "\n"
        return f"{type(self).__name__}({inside})"

    def _repr_html_(self) -> str:
        rows = [(param.name, _text(value)) for param, value in self._shown() if "\n" not in _text(value)]
        long = [f"{param.name} = {value!r}" for param, value in self._shown() if "\n" in _text(value)]
        table = _html.table(["parameter", "value"], rows)
        return _html.titled(type(self).__name__, table, *map(_html.preformatted, long))


def _line(value: Any) -> str:
    text = " ".join(repr(value).split()) if isinstance(value, Document) else str(value)
    return text if len(text) <= _EXPLAINED else f"{text[: _EXPLAINED - 3]}..."


def _text(value: Any) -> str:
    if isinstance(value, Document):
        return repr(value)
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
