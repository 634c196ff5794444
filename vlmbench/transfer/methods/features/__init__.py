"""Transfer methods that learn from features of images and texts, one a module."""
