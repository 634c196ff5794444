"""Runs: from names to a plan, from a plan to records. The command ``run`` and :func:`vlmbench.evaluate` use it."""
