"""The sources of datasets. Each module here is one source, and its name is the source's name on the command line."""
