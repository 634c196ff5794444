"""What a comparison is written as, for programs and forges: a file each."""
