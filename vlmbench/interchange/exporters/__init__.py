"""What records are written as for other programs: a file each."""
