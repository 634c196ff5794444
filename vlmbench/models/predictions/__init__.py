"""Systems that cannot be loaded here: their answers were made elsewhere and are read from files."""
