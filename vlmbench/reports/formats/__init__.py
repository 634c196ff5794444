"""What a table is written as: a file each."""
