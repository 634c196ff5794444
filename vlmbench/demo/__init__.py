"""The demo data and model that ship with vlmbench: rendered scenes, small evaluation sets and a tiny checkpoint.

This module imports nothing. So reading the sets does not import torch, and training does not import scikit-learn.
"""
