"""Patch features of open_clip's image towers: one file a kind of tower; the adapter asks ``encoder.py``."""
