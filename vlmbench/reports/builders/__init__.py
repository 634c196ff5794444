"""What the tables are made with: from records and published numbers to rows, a file for each shape of table."""
