# Written by candlewick-codegen (`make generate`); do not edit.
"""Version of Candlewick."""

__version__ = "0.1.0"
