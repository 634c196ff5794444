"""Features of images: read, decode, preprocess, forward pass. The engine uses it."""
