"""The store in PostgreSQL, for hubs that outgrow one file."""
