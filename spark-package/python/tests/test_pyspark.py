"""Which PySpark the package takes, and with which Python."""

import importlib.util
import re
import sys

import pytest

from candlewick import _requirements


def of_python(monkeypatch, python, pyspark, distutils):
    """A Python of a version, which has distutils or not, and PySpark."""
    found = importlib.util.find_spec

    def find_spec(name, package=None):
        return found("json" if distutils else "no_distutils") if name == "distutils" else found(name, package)

    monkeypatch.setattr(sys, "version_info", (*python, 1, "final", 0))
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    monkeypatch.setattr("pyspark.__version__", pyspark)


def test_pyspark_3_5_is_refused_by_a_python_without_distutils(monkeypatch):
    of_python(monkeypatch, (3, 12), "3.5.9", distutils=False)
    words = "PySpark 3.5 is for Python up to 3.11, this is 3.12: take PySpark 4, or Python 3.11"
    with pytest.raises(ImportError, match=re.escape(words)):
        _requirements.check()


@pytest.mark.parametrize(
    ("python", "pyspark", "distutils"),
    [((3, 12), "3.5.9", True), ((3, 11), "3.5.9", False), ((3, 14), "4.3.0", False)],
)
def test_those_that_go_together_are_taken(monkeypatch, python, pyspark, distutils):
    of_python(monkeypatch, python, pyspark, distutils)
    assert _requirements.check() == pyspark


def test_the_doctor_ends_with_that_line_alone(monkeypatch):
    of_python(monkeypatch, (3, 13), "3.5.9", distutils=False)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "candlewick", "doctor"])
    with pytest.raises(SystemExit, match=r"^PySpark 3\.5 is for Python up to 3\.11, this is 3\.13: [^\n]*$"):
        _requirements._of_the_package()
