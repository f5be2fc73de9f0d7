"""The store in memory, for tests and for the simulator. Nothing survives the process."""
