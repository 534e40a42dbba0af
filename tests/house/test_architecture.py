"""tools/architecture.py on small trees with planted faults, and on this checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import architecture
from tools.arrows import graph, rust

TABLE = """
jvm = ["jvm"]
python = ["py/pack"]
[limits]
file = 40
function = 5
[crates]
low = { uses = [] }
high = { uses = ["low"], tests = [] }
[outside]
jni = ["high"]
[[floor]]
under = "high/src/train/"
never = "\\\\bcrate::serve\\\\b"
reason = "serve/ stands over train/"
"""
CLEAN = {
    "tools/architecture.toml": TABLE,
    "Cargo.toml": '[workspace]\nmembers = ["low", "high"]\n',
    "low/Cargo.toml": '[package]\nname = "x-low"\n',
    "low/src/lib.rs": "mod shapes;\npub use shapes::Shape;\n",
    "low/src/shapes.rs": "pub struct Shape;\n",
    "high/Cargo.toml": '[package]\nname = "x-high"\n[dependencies]\nx-low.workspace = true\njni.workspace = true\n',
    "high/src/lib.rs": "mod a;\nmod b;\nmod train;\n",
    "high/src/a.rs": "use crate::b::B;\npub struct A(B);\n",
    "high/src/b.rs": "pub struct B;\n",
    "high/src/train/mod.rs": "pub mod rules;\nmod step;\npub use step::Step;\npub struct Rate;\n"
    "pub fn all() -> Vec<Step> { vec![rules::first()] }\n",
    "high/src/train/rules.rs": "use super::{Rate, Step};\npub fn first() -> Step { Step(Rate) }\n",
    "high/src/train/step.rs": "pub struct Step(pub super::Rate);\n",
    "jvm/p/One.java": "package p;\nclass One { Two two; }\n",
    "jvm/p/Two.java": 'package p;\nclass Two { String one = "One"; /* One */ }\n',
    "jvm/p/q/Three.scala": "package p\npackage q\nimport p.One\nclass Three(one: One, two: Two)\n",
    "py/pack/__init__.py": "from .one import f\n",
    "py/pack/one.py": "from pack.two import g\ndef f():\n    return g()\n",
    "py/pack/two.py": "def g():\n    return 1\n",
}
Plant = Callable[..., list[str]]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Writes the clean tree with some files changed; gives the faults found."""

    def run(**changed: str) -> list[str]:
        names = {name.replace("/", "_").replace(".", "_"): name for name in CLEAN}
        more = {names.get(key, key): text for key, text in changed.items()}
        for name, text in {**CLEAN, **more}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return architecture.check(tmp_path)

    return run


def exception(source: str, target: str, reason: str = "both are one protocol") -> str:
    return TABLE + f'[[exception]]\nfrom = "{source}"\nto = "{target}"\nreason = "{reason}"\n'


def test_a_clean_tree_has_no_faults(plant: Plant) -> None:
    assert plant() == []


@pytest.mark.parametrize(
    "code",
    [
        "use crate::a::A;\npub struct B;\n",
        "use super::{a::{A as Other}};\npub struct B;\n",
        "use crate::a;\npub struct B;\nfn f(x: a::A) {}\n",
        "pub struct B;\nfn f(x: &crate::a::A) {}\n",
        "pub struct B;\nmod inner {\n    fn f(x: super::super::a::A) {}\n}\n",
        "use crate::A;\npub struct B;\n",
    ],
)
def test_a_circle_of_rust_files_is_found_by_every_way_to_write_it(plant: Plant, code: str) -> None:
    facade = CLEAN["high/src/lib.rs"] + "pub use a::A;\n"
    (fault,) = plant(high_src_b_rs=code, high_src_lib_rs=facade)
    assert "high: 2 files use each other in a circle" in fault
    assert "high/src/a.rs:1 uses crate::b::B of high/src/b.rs" in fault
    assert "of high/src/a.rs" in fault


@pytest.mark.parametrize(
    "code",
    [
        "pub struct B;\n// use crate::a::A;\n",
        'pub struct B;\nconst TEXT: &str = "crate::a::A";\n',
        "pub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n    fn f() { if true {} }\n}\n",
        "pub struct B;\n#[cfg(test)]\nuse crate::a::A;\n",
        "pub struct B;\nconst BRACE: char = '{';\n",
    ],
)
def test_comments_texts_and_tests_make_no_arrow(plant: Plant, code: str) -> None:
    assert plant(high_src_b_rs=code) == []


def test_a_use_through_a_head_leads_to_the_file_that_defines_the_item(plant: Plant) -> None:
    """`low::Shape` is shown by lib.rs and defined in shapes.rs: shapes.rs may not use who uses it."""
    faults = plant(
        low_src_lib_rs="mod shapes;\nmod size;\npub use shapes::*;\n",
        low_src_shapes_rs="use crate::size::Size;\npub struct Shape(Size);\n",
        **{"low/src/size.rs": "use crate::Shape;\npub struct Size(Shape);\n"},
    )
    assert len(faults) == 1 and "crate::Shape of low/src/shapes.rs" in faults[0]


def test_a_head_and_its_parts_are_one_room_but_parts_among_themselves_are_not(plant: Plant) -> None:
    step = "use super::rules;\npub struct Step(pub super::Rate);\nfn f() { rules::first(); }\n"
    (fault,) = plant(high_src_train_step_rs=step)
    assert "2 files" in fault and "train/step.rs:3 uses" in fault and "train/mod.rs" not in fault


def test_a_head_beside_its_folder_is_a_head_too(plant: Plant) -> None:
    """File low/src/lib.rs has `mod size;`, size.rs has `mod unit;`: they count as one, as size/mod.rs would."""
    tree = {
        "low/src/lib.rs": "mod size;\n",
        "low/src/size.rs": "mod unit;\npub struct Size(unit::Unit);\n",
        "low/src/size/unit.rs": "pub struct Unit(Option<Box<super::Size>>);\n",
    }
    assert plant(**tree) == []


def test_a_circle_between_rooms_is_found_through_their_parts(plant: Plant) -> None:
    """File b uses a part of train whose head uses a, and a uses b."""
    head = "use crate::a::A;\n" + CLEAN["high/src/train/mod.rs"]
    (fault,) = plant(high_src_train_mod_rs=head, high_src_b_rs="use crate::train::rules::first;\npub struct B;\n")
    assert "high/src/a.rs" in fault and "high/src/b.rs" in fault and "train/mod.rs:1 uses crate::a::A" in fault


def test_an_exception_opens_a_circle_and_must_be_needed(plant: Plant) -> None:
    circle = "use crate::a::A;\npub struct B;\n"
    allowed = exception("high/src/b.rs", "high/src/a.rs")
    assert plant(tools_architecture_toml=allowed, high_src_b_rs=circle) == []
    (fault,) = plant(tools_architecture_toml=allowed, high_src_b_rs=CLEAN["high/src/b.rs"])
    assert "high/src/b.rs -> high/src/a.rs opens no circle any more" in fault
    (fault,) = plant(tools_architecture_toml=exception("high/src/b.rs", "high/src/a.rs", " "), high_src_b_rs=circle)
    assert "needs a reason" in fault


def test_circles_of_java_scala_and_python_are_found(plant: Plant) -> None:
    faults = plant(
        jvm_p_Two_java="package p;\nclass Two { p.q.Three three; }\n",
        py_pack_two_py="def g():\n    from .one import f\n    return f\n",
    )
    assert len(faults) == 2
    assert "jvm: 3 files" in faults[0] and "Two.java:2 uses p.q.Three of jvm/p/q/Three.scala" in faults[0]
    assert "py/pack/two.py:2 uses pack.one.f of py/pack/one.py" in faults[1]


def test_a_member_that_has_the_name_of_a_class_is_no_use_of_it(plant: Plant) -> None:
    assert (
        plant(
            jvm_p_Two_java="package p;\nclass Two { }\n",
            **{"jvm/p/Names.scala": "package p\nobject Names { val Three = 3; val two: Two = null }\n"},
        )
        == []
    )
    assert plant(jvm_p_Two_java="package p;\nclass Two { Names names; }\n")


def test_arrows_against_the_floors_are_found(plant: Plant) -> None:
    faults = plant(
        low_Cargo_toml='[package]\nname = "x-low"\n[dependencies]\nx-high.workspace = true\njni.workspace = true\n',
        high_src_train_step_rs="pub struct Step(pub super::Rate);\nfn f() { crate::serve::now() }\n",
    )
    assert len(faults) == 3
    assert "low must not use high (dependencies): it stands on []" in faults[0]
    assert "jni belongs to ['high'] only" in faults[1]
    assert "high/src/train/step.rs:2: serve/ stands over train/" in faults[2]


def test_a_dev_dependency_needs_to_be_allowed_too(plant: Plant) -> None:
    manifest = '[package]\nname = "x-low"\n[dev-dependencies]\nx-high.workspace = true\n'
    assert "(dev-dependencies)" in plant(low_Cargo_toml=manifest)[0]


def test_the_table_must_know_every_crate_and_no_other(plant: Plant) -> None:
    (missing,) = plant(tools_architecture_toml=TABLE.replace("low = { uses = [] }\n", ""))[:1]
    assert "the crate low is missing" in missing
    faults = plant(tools_architecture_toml=TABLE, Cargo_toml='[workspace]\nmembers = ["low"]\n')
    assert any("high is no crate of the workspace any more" in fault for fault in faults)
    gone = TABLE.replace("high/src/train/", "high/src/gone/")
    assert (
        "there is no file under high/src/gone/ any more"
        in plant(tools_architecture_toml=gone, Cargo_toml=CLEAN["Cargo.toml"])[0]
    )


def test_long_files_and_functions_are_found_and_may_be_exceptions(plant: Plant) -> None:
    long = (
        "def g():\n    '''A docstring\n\n\n\n\n\n    counts for nothing.'''\n    # nor does this\n" + "    a = 1\n" * 6
    )
    lines = "pub struct B;\n" + "//\n" * 40
    faults = plant(py_pack_two_py=long, high_src_b_rs=lines)
    assert faults == [
        "high/src/b.rs: 41 lines; a file has at most 40: part it by what it does",
        "py/pack/two.py:1: g has 6 lines of code; a function has at most 5",
    ]
    both = TABLE + "".join(
        f'[[exception]]\nlong = "{name}"\nreason = "one table"\n' for name in ("high/src/b.rs", "py/pack/two.py::g")
    )
    assert plant(tools_architecture_toml=both, py_pack_two_py=long, high_src_b_rs=lines) == []
    faults = plant(tools_architecture_toml=both, py_pack_two_py="g = 1\n", high_src_b_rs="pub struct B;\n")
    assert len(faults) == 2 and all("short enough or gone" in fault for fault in faults)


def test_use_trees_are_read_whole() -> None:
    tree = "crate::{a::{self, B as C, d::*}, self, e}"
    assert list(rust.leaves(tree)) == [
        (["crate", "a"], "a"),
        (["crate", "a", "B"], "C"),
        (["crate", "a", "d", "*"], "*"),
        (["crate"], "crate"),
        (["crate", "e"], "e"),
    ]


def test_circles_are_found_whole_and_apart() -> None:
    ends = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d"), ("e", "f")]
    assert graph.circles(ends) == [["a", "b", "c"], ["d", "e"]]


def test_this_house_is_in_order() -> None:
    faults = architecture.check(architecture.ROOT)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("git", [True, False])
def test_without_git_the_files_are_all_but_what_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: bool
) -> None:
    sources = {"a.py", "in/a/b.py", ".ci/run.sh"}
    for name in (*sources, ".venv/a.py", "in/target/a.py", "dist/a.whl", ".cache/a", "in/__pycache__/a.pyc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if not git:
        # An archive of the sources, on a machine that has no git.
        monkeypatch.setenv("PATH", str(tmp_path))
    assert set(architecture.files(tmp_path)) == sources


def test_the_files_of_this_checkout_are_found_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = architecture.files(architecture.ROOT)
    monkeypatch.setenv("PATH", "")
    missing = {name for name in wanted if (architecture.ROOT / name).is_file()} - set(
        architecture.files(architecture.ROOT)
    )
    assert missing == set()
