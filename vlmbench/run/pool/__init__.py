"""Carries out jobs with several workers: processes of this machine, or actors of a cluster."""
