"""Published and golden vectors."""
