"""Run ``vlmbench`` commands one after another in this process, whose packages are what a user has installed.

    python session.py < commands.json > finished.json

Each command is a list of arguments; what it left is a list of exit code, standard output and standard error.
"""

from __future__ import annotations

import json
import sys

from command_line import command

if __name__ == "__main__":
    finished = [command(*arguments, width=160) for arguments in json.load(sys.stdin)]
    json.dump([[each.returncode, each.stdout, each.stderr] for each in finished], sys.stdout)
