"""Trade policies that people write: read from YAML, shown, published."""
