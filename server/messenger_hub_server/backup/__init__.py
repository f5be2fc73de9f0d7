"""Back-ups of a data folder: making one while the hub runs, and putting one back (rule 11)."""
