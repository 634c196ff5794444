"""Makes pandas DataFrames of records, for people who analyse results in Python and in notebooks.

The public functions are :func:`vlmbench.results_frame` and :func:`vlmbench.predictions_frame`. pandas is imported only
when one of them is called. The CSV exporter takes its columns from here, too.
"""
