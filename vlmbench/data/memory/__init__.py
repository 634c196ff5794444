"""Tasks of datasets in memory: lists of images, datasets of torch, and tables of the ``datasets`` library.

:func:`vlmbench.as_task` makes them, and :func:`vlmbench.evaluate` takes them.
"""
