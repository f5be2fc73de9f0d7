"""The contract of Messenger Hub: what both programs and their clients share."""
