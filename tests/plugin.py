"""Pytest plug-in that every test of the project runs under."""
