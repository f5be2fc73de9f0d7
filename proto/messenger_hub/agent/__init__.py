"""The contract with desktops."""
