"""The adapter of the transformers library."""
