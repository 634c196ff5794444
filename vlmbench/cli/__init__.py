"""The command line: one file for each subcommand. These files only read options, call the other rooms, and print."""
