"""States the version of this package. It is alone in its module, so that every room may import it."""

__version__ = "0.1.0"
