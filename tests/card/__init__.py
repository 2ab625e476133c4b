"""The reliability card and the soak."""
