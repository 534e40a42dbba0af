# Written by candlewick-codegen (`make generate`); do not edit.
"""Names of document formats."""

#: Format of a network's document.
NETWORK_FORMAT = "candlewick.network/1"

#: Format of data/model.json in the folder of a saved model.
MODEL_FORMAT = "candlewick.model/1"

#: Format of a saved stage, in its metadata.
STAGE_FORMAT = "candlewick.stage/1"
