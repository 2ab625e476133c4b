"""The ledger in a simulated world: databases, disks, clocks and networks that fail by seed."""
