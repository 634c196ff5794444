"""Sets of records that later runs are compared with."""
