"""Moves a hub from SQLite to PostgreSQL."""
