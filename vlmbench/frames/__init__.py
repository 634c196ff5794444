"""Records as pandas DataFrames, for those who analyse results in Python and notebooks.

The public functions are :func:`vlmbench.results_frame` and :func:`vlmbench.predictions_frame`. pandas is imported when
one of them is called, and by no other part of this package.
"""
