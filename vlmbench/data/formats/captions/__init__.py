"""Readers of caption files of many forms. The source :mod:`vlmbench.data.sources.captions` uses them."""
