"""Features of images and texts: batches, precision, lack of memory, and the feature cache.

Tasks and runs use it through :class:`vlmbench.features.engine.FeatureEngine`. ``vlmbench cache`` shows and clears the
cache.
"""
