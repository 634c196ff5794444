"""Tables made from records; no torch here."""
