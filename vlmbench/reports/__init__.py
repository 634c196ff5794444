"""Tables from records and published numbers, and the leaderboard's site. It imports neither torch nor pandas.

``vlmbench report``, ``leaderboard`` and ``show`` use this room, and the data frames. Records are sorted out
(:mod:`.entries`), a table is built (:mod:`.builders`) and arranged (:mod:`.table_view`), and a format writes it
(:mod:`.formats`).
"""
