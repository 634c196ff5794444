"""Shows a run while it goes on, and what it cost: one process, or several workers."""
