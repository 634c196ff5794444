"""Runs: turns names into a plan, and a plan into records.

``vlmbench run``, ``demo``, ``fetch`` and ``show`` and :func:`vlmbench.evaluate` use this room.
"""
