"""The console: the hub in a browser. It calls the chain as an operator, and never the queue or the store."""
