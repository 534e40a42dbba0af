"""The comparison of `make bench-guard`."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def guard() -> ModuleType:
    """benchmarks/guard.py, which is no package."""
    spec = importlib.util.spec_from_file_location("guard", ROOT / "benchmarks" / "guard.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def counted(level: str = "avx2", **instructions: int) -> dict[str, object]:
    return {"level": level, "instructions": instructions}


def test_slower_and_faster_are_told_and_the_rest_is_not(guard: ModuleType) -> None:
    committed = counted(step=1_000_000, hash=1_000, decode=1_000)
    assert guard.compare(committed, counted(step=1_029_000, hash=971, decode=1_000)) == []
    wrong = guard.compare(committed, counted(step=1_031_000, hash=960, decode=1_000))
    assert wrong == [
        "hash: -4.0% of the committed 1,000 instructions",
        "step: +3.1% of the committed 1,000,000 instructions",
    ]


def test_operations_that_only_one_side_has_are_told(guard: ModuleType) -> None:
    assert guard.compare(counted(old=1), counted(new=1)) == ["new: not committed yet", "old: no longer measured"]


def test_other_instructions_are_not_compared(guard: ModuleType) -> None:
    (wrong,) = guard.compare(counted(step=1), counted("generic", step=1))
    assert "counted with generic, committed with avx2" in wrong


def test_programs_are_those_that_cargo_built(guard: ModuleType) -> None:
    messages = "\n".join(
        [
            '{"reason":"compiler-artifact","executable":"/a/guard-1","target":{"kind":["bench"]}}',
            '{"reason":"compiler-artifact","executable":null,"target":{"kind":["lib"]}}',
            '{"reason":"compiler-artifact","executable":"/a/trainer","target":{"kind":["bin"]}}',
            "not of cargo",
        ]
    )
    assert guard.built(messages) == [Path("/a/guard-1")]
