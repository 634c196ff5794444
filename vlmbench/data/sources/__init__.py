"""Where samples come from: every module here is one source, under its own name."""
