"""Card keys: committed to in public, kept in boxes, told apart by their fingerprints."""
