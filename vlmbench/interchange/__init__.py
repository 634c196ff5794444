"""Records from other programs' result files, and result files that other programs read from records."""
