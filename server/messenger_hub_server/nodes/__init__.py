"""Several nodes on one database: what each has to tell the others, and what they take in turns."""
