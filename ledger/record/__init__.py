"""The storage room: tables, migrations, the recorder, the factory and the vault.

Everything that the ledger keeps goes through here, on SQLite or on PostgreSQL, by SQLAlchemy
Core. Nothing here decides anything: a batch arrives sealed and is written whole or not at all.
"""
