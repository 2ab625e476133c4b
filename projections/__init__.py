"""Projections: disposable views rebuilt from the log; a failing one stops and never skips."""
