"""The command line: one file a group of commands. FastAPI is imported by `serve` alone."""
