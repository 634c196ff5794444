"""Features kept on disk, under a key of everything that changes them. Runs use it, and ``vlmbench cache``."""
