"""One file a part of the console."""
