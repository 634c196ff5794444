"""The adapter of FILIP's checkpoints, which compare every patch of an image with every token of a text."""
