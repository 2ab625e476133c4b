"""The log as the world sees it: receipts, checkpoints, tiles and proofs."""
