"""Saved baselines: small folders of records and answers that later runs are compared with.

``vlmbench baseline`` writes them. ``compare``, ``show`` and the data frames read them.
"""
