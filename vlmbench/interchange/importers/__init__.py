"""Programs whose result files become records: a file each."""
