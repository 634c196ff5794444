"""Remarks: events in data, prompts, weights or metrics that a careful user wants to know. Every room makes them.

:mod:`vlmbench.remarks.base` defines a remark and the function that makes one; :mod:`vlmbench.remarks.codes` has every
code.
"""
