import json

import numpy as np
import pytest

from models.calibration import METHODS, as_json, calibrate, expit, fit_calibrator, with_level


@pytest.mark.filterwarnings("ignore:.*Any type hint")
@pytest.mark.parametrize("method", METHODS)
def test_the_served_file_calibrates_as_the_project_does(method: str) -> None:
    from pipelines.served_model import _calibrate  # MLflow warns of its hints when imported

    rng = np.random.default_rng(0)
    raw = rng.normal(-2, 1.5, 2_000)
    y = (rng.random(2_000) < expit(0.6 * raw + 0.5)).astype(float)
    shape = fit_calibrator(method, raw, y, np.ones_like(y))
    calibrator = with_level(shape, raw + 0.5, y, np.ones_like(y))
    told = json.loads(json.dumps(as_json(calibrator)))
    np.testing.assert_allclose(_calibrate(told, raw), calibrate(calibrator, raw), rtol=1e-12)
