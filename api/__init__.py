"""The edge of the house: HTTP routes, the command line and the client. No rule lives here."""
