"""Readers of the files that datasets are kept in."""
