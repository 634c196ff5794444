"""Joins results folders into one. ``vlmbench merge`` uses it, and nothing here imports torch."""
