# Written by candlewick-codegen (`make generate`); do not edit.
"""Names of document formats."""

#: Format of a network's document.
NETWORK_FORMAT = "candlewick.network/1"
