"""Metrics of detection: pycocotools' matches, and the numbers computed from them for any weights of the images.

The detection task uses them, for its records and for comparisons.
"""
