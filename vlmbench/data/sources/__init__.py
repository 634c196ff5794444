"""The sources of datasets. Each module is one source; cards and ``vlmbench run -t`` use the module's name."""
