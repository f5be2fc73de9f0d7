"""The chain that every call passes, and the gRPC door."""
