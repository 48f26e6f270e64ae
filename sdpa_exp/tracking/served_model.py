"""What `mlflow models serve` runs: images in, what best.pt finds out. Copied into the model, which is loaded from it.

It needs Ultralytics and MLflow alone where the model was trained with stock attention, else sdpa_exp as well.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import pandas  # MLflow reads the type of `model_input` when it runs this file
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

_STOCK = "stock"
_ATTENTION = "SDPA_EXP_SERVED_ATTENTION"  # set to stock, it serves where sdpa_exp is not installed


class ServedModel(PythonModel):  # type: ignore[misc]
    """best.pt with the attention that it was trained with; PyTorch is loaded with the weights, not before."""

    def load_context(self, context: Any) -> None:
        """Load the weights.

        Raises:
            ImportError: its attention takes sdpa_exp, which is not installed here.
        """
        weights, arm = context.artifacts["weights"], context.model_config["attention"]
        wanted = os.environ.get(_ATTENTION, arm)
        if wanted not in (arm, _STOCK):
            raise ValueError(f"{_ATTENTION}={wanted} can't be served: expected {arm}, as trained, or {_STOCK}.")
        self._lock = threading.Lock()  # one predictor keeps the state of one call
        if wanted == _STOCK:
            from ultralytics import YOLO

            self._yolo: Any = YOLO(weights)
            return
        try:
            import sdpa_exp
        except ImportError as error:
            raise ImportError(
                f"this model was trained with attention={arm}, and sdpa_exp, which has that, is not installed here. "
                f"Install it, or set {_ATTENTION}=stock, whose results differ by rounding alone."
            ) from error
        self._yolo = sdpa_exp.load(weights)

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """What is found in each image.

        Args:
            context: with the model's settings.
            model_input: a table with the column `image`: the bytes of JPEG, PNG or other image files.
            params: those of the signature.

        Returns:
            A table, one line a find: `image` (number of the line it is in), `class`, `name`, `score`, corners in
            pixels, and by what the model is for `polygon`, `keypoints` or `corners`; for classes of whole images
            one line for each of the best `top` classes.

        Raises:
            MlflowException: a line is no image.
        """
        from result_rows import rows_of  # type: ignore[import-not-found] # beside this file in the model

        given = params or {}
        images = [_decode(number, content) for number, content in enumerate(model_input["image"])]
        settings = {key: given[key] for key in ("conf", "iou", "imgsz") if key in given}
        with self._lock:
            results = self._yolo.predict(images, verbose=False, **settings) if images else []
        top = int(given.get("top", 5))
        rows = [{"image": n, **row} for n, result in enumerate(results) for row in rows_of(result, top=top)]
        return pandas.DataFrame(rows, columns=context.model_config["columns"])


def _decode(number: int, content: bytes) -> Any:
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        text = f"line {number} of the column image is no image: expected the bytes of a JPEG or PNG file."
        raise MlflowException(text, error_code=INVALID_PARAMETER_VALUE)  # of others the server answers with a traceback
    return image


set_model(ServedModel())
