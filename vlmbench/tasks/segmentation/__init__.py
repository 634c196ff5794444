"""The segmentation kind of task: every pixel gets a class, from patch features or from the model's own head."""
