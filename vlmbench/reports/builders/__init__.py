"""Makes tables from records and published numbers, one file for each shape of table.

``vlmbench report`` uses them. The tables in :mod:`vlmbench.reports.tables` name these functions and import them when
they are asked for.
"""
