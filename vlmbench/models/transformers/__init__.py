"""The adapter of the transformers library. Model cards with ``adapter: transformers`` use it."""
