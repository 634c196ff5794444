"""From the reference tables, as they were transcribed, to the tidy files that ship."""
