"""The tables of ``vlmbench report``, one file a table. The code that makes a table is imported when it is asked for."""
