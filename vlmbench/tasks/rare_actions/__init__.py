"""Actions that hardly occur: RareAct's protocol."""
