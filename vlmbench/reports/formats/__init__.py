"""The formats of tables, one file a format. ``vlmbench report --format`` chooses one."""
