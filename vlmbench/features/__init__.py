"""The engine: text batches, image batches, precision, out-of-memory, and the feature cache."""
