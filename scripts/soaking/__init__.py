"""The soak: one server under steady load for a while, watched for what grows.

`scripts/soak` runs it; what is bounded, and why so, stands in docs/reliability.md.
"""
