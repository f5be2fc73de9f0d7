"""The server: gRPC and HTTP doors, the durable queue, the agents' streams."""
