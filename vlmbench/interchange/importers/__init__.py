"""The programs whose result files ``vlmbench import`` reads, one file a program."""
