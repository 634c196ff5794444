"""Models in memory: torch modules, such as a module in training, and objects with the model protocol.

:func:`vlmbench.as_model` makes them, and :func:`vlmbench.evaluate` takes them.
"""
