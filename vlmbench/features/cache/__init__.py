"""Features kept on disk, under a key of everything that changes them."""
