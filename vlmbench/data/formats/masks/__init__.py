"""Readers of masks: finds them, pairs them with images, and turns their values into labels.

The source :mod:`vlmbench.data.sources.masks` uses them.
"""
