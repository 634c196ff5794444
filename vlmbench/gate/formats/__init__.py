"""Formats of comparisons for programs and Git hosts, one file each. ``vlmbench compare --format`` chooses one."""
