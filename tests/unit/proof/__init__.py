"""Unit tests of the proof room and of the strict key checks."""
