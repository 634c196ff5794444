"""Remarks: what happened to data, prompts, weights or metrics, and a careful user wants to know.

:mod:`vlmbench.remarks.base` has what a remark is and how code makes one, :mod:`vlmbench.remarks.codes` every code.
"""
