"""Features of texts, and remarks on texts that the model cuts or cannot tell apart. The engine uses it."""
