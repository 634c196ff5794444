"""The gate: compares two sets of records and gives a verdict.

``vlmbench compare`` and :func:`vlmbench.compare` use this room. ``vlmbench baseline`` saves the records that later runs
are compared with. ``show`` and the data frames read saved baselines here.
"""
