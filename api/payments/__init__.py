"""Payments: providers' notices and statements, behind one port."""
