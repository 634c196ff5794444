"""The tables of ``vlmbench report``: a file each, which imports what makes the table only when it is asked for."""
