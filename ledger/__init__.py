"""Yinzheng's ledger: signed commands become entries, entries become a verifiable log.

This file imports nothing, on purpose: importing `ledger.proof` also runs it, and the offline
verifier must load the standard library and `cryptography` only.
"""
