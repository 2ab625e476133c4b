"""The routes of the HTTP API, a module a subject; none knows another."""
