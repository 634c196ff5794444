"""Formats of comparisons for programs and Git hosts, one file each."""
