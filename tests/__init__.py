"""Tests: unit, architecture, api and the plug-in that all of them share."""
