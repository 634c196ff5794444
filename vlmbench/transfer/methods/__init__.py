"""Transfer methods, a file each."""
