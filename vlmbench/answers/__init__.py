"""Models' answers, sample by sample: read from the Parquet files beside records, and compared.

It needs NumPy and Arrow only: a comparison of two runs needs neither the models nor the data.
"""
