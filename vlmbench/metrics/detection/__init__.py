"""Average precision of boxes: pycocotools' matches, and what is read off them for any weighting of the images."""
