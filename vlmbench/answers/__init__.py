"""Models' answers, sample by sample: read from the Parquet files beside records, and compared.

The gate, reports, ``vlmbench show`` and the data frames use this room, and each kind of task describes its own tables
with its types. It needs NumPy and Arrow only: a comparison of two runs needs neither the models nor the data.
"""
