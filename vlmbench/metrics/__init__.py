"""Pure functions from predictions to numbers and their 95 % intervals. NumPy, and SciPy's distributions.

Throughout, ``seed`` and ``resamples`` are those of the bootstrap over samples; without resamples there is no interval.
A function ``…_statistic`` is the metric of its name on any draw of the samples, and raises what that raises.
"""
