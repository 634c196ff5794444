"""Metrics of detection: pycocotools' matches, and the numbers computed from them for any weights of the images."""
