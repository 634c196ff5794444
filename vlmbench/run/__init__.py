"""Runs: turns names into a plan, and a plan into records. ``vlmbench run`` and :func:`vlmbench.evaluate` use this room."""
