"""The parts of the command line about adapted models. ``vlmbench methods`` and ``run --dry-run`` use them."""
