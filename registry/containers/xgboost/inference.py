"""The default program for XGBoost models of MLflow. Copied into model archives; runs in AWS's XGBoost container.

The container calls the four functions: https://sagemaker.readthedocs.io/en/stable/frameworks/xgboost/using_xgboost.html
"""

from pathlib import Path

import xgboost
from mlflow_payloads import input_fn, output_fn, predict_fn, told

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]


def model_fn(model_dir):
    """Load the model as the class that its MLmodel names; returns what predicts from rows."""
    given = told(model_dir)
    model = getattr(xgboost, given["model_class"])()
    model.load_model(str(Path(model_dir) / given["file"]))
    predict = getattr(model, given["predict"])
    if isinstance(model, xgboost.Booster):
        return lambda rows: predict(_matrix(rows, model))
    return predict


def _matrix(rows, booster):
    # Rows without names are taken to have the model's columns, in their order.
    if hasattr(rows, "columns"):
        return xgboost.DMatrix(rows)
    return xgboost.DMatrix(rows, feature_names=booster.feature_names)
