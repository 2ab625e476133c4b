"""Seeds that failed once, each with what it found; they run always.

A seed means something else once the generator changes, which is why each finding has a test of its
own as well; the seeds stay for what they are, histories that were hard once.
"""

from __future__ import annotations

REGRESSIONS: dict[int, str] = {
    0: "IndexError on a retry that another node recorded (tests/attacks/test_two_writers.py)",
    10: "a damaged last entry was told to clients as their fault (test_flipped_rows.py)",
    26: "a mark whose rename was not durable was believed durable (tests/unit/log/test_mark.py)",
    40: "a receipt signed over a damaged leaf (tests/attacks/test_flipped_rows.py)",
    14: "two publishers wrote the draft of one mark (tests/unit/log/test_mark.py)",
    1192: "a tree was signed that the standby did not have (tests/unit/log/test_publisher.py)",
    1610: "a false alarm: the head of one primary, the entries of the next (test_publisher.py)",
    1790: "likewise; the mark was ahead of the database for good",
    2199: "a receipt for an entry that a standby did not have (tests/attacks/test_two_writers.py)",
    2307: "likewise",
    2473: "the flip of a row that was marked and never signed",
    1432: "the judge took the size before a failover for one after it",
    1467: "likewise, for a refusal that the lost entries had made right",
}
