"""Policies that people write."""
