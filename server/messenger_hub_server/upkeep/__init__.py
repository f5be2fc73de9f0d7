"""What has to be done now and then: one job a file, each with `run_once`."""
