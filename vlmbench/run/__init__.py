"""Plan, execute, resume."""
