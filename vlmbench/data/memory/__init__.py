"""Datasets in memory: lists of images, datasets of torch and tables of the ``datasets`` library, as tasks."""
