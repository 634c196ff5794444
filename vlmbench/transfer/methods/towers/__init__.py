"""Transfer methods that train through the image tower, one a module."""
