"""Features of images: reads, decodes and preprocesses them, and runs the forward pass. The engine uses it."""
