"""The embedded default: rendered scenes, small evaluation sets and a tiny trained checkpoint.

Nothing is imported here, so that reading the sets costs no torch and training costs no scikit-learn.
"""
