"""The adapter of open_clip. Model cards with ``adapter: open_clip`` use it."""
