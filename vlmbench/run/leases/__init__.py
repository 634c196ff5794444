"""Leases on pairs, so that two runs on one results folder never do a pair at the same time. The driver takes them."""
