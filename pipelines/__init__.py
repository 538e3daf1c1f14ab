"""Side effects: configuration, command line, batch jobs, tracking."""
