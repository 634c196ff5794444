"""The tables of ``vlmbench report``, one file a table. The code that makes a table is imported when it is asked for.

Most of them follow tables of the survey (Zhang et al., "Vision-Language Models for Vision Tasks: A Survey", arXiv
2304.00685).
"""
