"""Logs of pairs: readable, bounded, and without secrets."""

from __future__ import annotations

import pytest

from vlmbench.run.pool.log_text import MOST_LOG_BYTES, TryLog, cleaned, pair_log


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07and \x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\\n", "red and link\n"),
        (b"Loading:   0%|   |\rLoading:  50%|#  |\rLoading: 100%|###|\r\nready\r\n", "Loading: 100%|###|\nready\n"),
        (b"a\x00\x07b\tc\xff", "ab\tc�\n"),
        ("naïve ✓".encode(), "naïve ✓\n"),
    ],
)
def test_output_as_a_person_reads_it(written: bytes, read: str) -> None:
    assert cleaned(written, environment={}) == read


def test_the_end_of_long_output_is_kept_in_whole_lines() -> None:
    text = cleaned(b"first\n" + b"\xc3\xa4" * 99 + b"\n" + b"x" * 99 * 1000 + b"\nlast\n", environment={})
    assert text.startswith("… ") and text.endswith("\nlast\n")
    assert len(text.encode()) < MOST_LOG_BYTES + 100
    lines = cleaned(b"".join(b"line %d\n" % number for number in range(20_000)), environment={}).splitlines()
    assert lines[-1] == "line 19999"
    assert lines[1].startswith("line ") and lines[1] == f"line {20_000 - len(lines) + 1}"


def test_secrets_are_hidden() -> None:
    environment = {
        "HF_TOKEN": "hf_1234567890abcdefghijkl",
        "MY_API_KEY": "correct horse battery",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_TOKEN_PATH": "/home/me/token",
        "HOME": "/home/me",
    }
    written = (
        "hf_1234567890abcdefghijkl correct horse battery wJalrXUtnFEMI/K7MDENG\n"
        "Authorization: Bearer abcdefgh.ijkl-mnop\n"
        "GET https://user:pass@proxy:80/x AKIAIOSFODNN7EXAMPLE hf_zyxwvutsrqponmlkjihg\n"
        "s3.amazonaws.com/b/k?X-Amz-Signature=0123456789abcdef&x=1\n"
        "parallelism=false reads /home/me/token in /home/me\n"
    )
    assert cleaned(written.encode(), environment=environment).splitlines() == [
        "[hidden] [hidden] [hidden]",
        "Authorization: Bearer [hidden]",
        "GET https://[hidden]@proxy:80/x [hidden] [hidden]",
        "s3.amazonaws.com/b/k?X-Amz-Signature=[hidden]&x=1",
        "parallelism=false reads /home/me/token in /home/me",
    ]


def test_the_log_of_a_pair_has_its_tries() -> None:
    lost = TryLog("worker 1 on a", "killed by signal 9", "")
    done = TryLog("worker 0 on b", "done", "hello\n")
    assert pair_log([lost, done]) == "== worker 1 on a: killed by signal 9\n\n== worker 0 on b: done\nhello\n"
    assert pair_log([TryLog("worker 0 on b", "done", "")]) == ""
    assert pair_log([TryLog("worker 0 on b", "failed", "")]) == ""  # a log without text would tell nothing more
    assert pair_log([]) == ""
