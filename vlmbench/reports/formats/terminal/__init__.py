"""Tables as a terminal shows them. Every command that shows a table uses this folder."""
