"""The writer and its queue, in front of a ledger of paper."""
