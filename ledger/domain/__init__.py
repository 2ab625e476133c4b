"""Domain: event-sourced streams over the rules; no storage, no clock, no keys, no web."""
