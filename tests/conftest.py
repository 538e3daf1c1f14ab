"""Shared by all tests: Hypothesis profiles and quiet threads."""

import os

# Before LightGBM is loaded: threads that wait must sleep. Spinning, two tests at once on two cores
# take ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hypothesis import settings

settings.register_profile("ci", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
