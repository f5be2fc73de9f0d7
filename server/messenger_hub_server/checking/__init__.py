"""Verifying a data folder: SQLite's own checks, the invariants over the rows, and what lies beside the database. Nothing is changed."""
