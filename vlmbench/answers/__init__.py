"""What models answered, sample by sample, read back from the tables beside records and held against each other.

NumPy and Arrow only: whoever compares two runs needs neither the models nor the data.
"""
