"""Result files of other programs: `vlmbench import` makes records of them, `vlmbench export` writes them from records.

Importers and exporters are found by name in :mod:`vlmbench.interchange.registry`; each is a file of its own.
"""
