"""Metrics: pure functions from predictions to numbers and their 95% intervals, with NumPy and SciPy's distributions.

Tasks compute their metrics here. The gate and reports compute the differences of metrics. ``seed`` and ``resamples``
belong to the bootstrap over samples. A function ``…_statistic`` gives the metric of the same name for any weights of
the samples, and raises the same errors.
"""
