"""Dataset repositories of a hub: what they hold, and bringing it here."""
