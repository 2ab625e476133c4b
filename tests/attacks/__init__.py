"""Attacks that once worked, each as a test that names what must hold."""
