"""Tests of the house itself: its architecture, its documents, its tools. They need neither Spark nor a build."""
