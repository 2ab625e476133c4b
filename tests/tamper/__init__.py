"""What is done to a ledger behind its back, and what the audit says of it."""
