"""Readers of sources: which file uses which. `tools/architecture.py` judges what they find."""
