"""Alembic's folder: one file a revision in `versions`. Run it through `ledger.record.schema`.

A revision that has been released is never edited. Projections' `view_` tables get their
revisions here too, although their columns are declared in the projections' own room.
"""
