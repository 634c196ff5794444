"""The kind of task ``rare_actions``: which clips show an unusual action? It follows RareAct's protocol."""
