"""Point in time: declarations, task, spine, kernels and labels."""
