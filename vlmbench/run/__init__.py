"""A run: plan it, carry it out, and take up an earlier one."""
