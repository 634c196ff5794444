"""Zero-shot semantic segmentation: a class for every pixel, from patch features or from a model's own head."""
