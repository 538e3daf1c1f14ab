"""Any table: split, estimator, calibration, metrics, policy, explanation, artifact."""
