"""The proof room: checks evidence offline, with the standard library and `cryptography` alone."""
