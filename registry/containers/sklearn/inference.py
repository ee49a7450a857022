"""The default program for scikit-learn models of MLflow. Copied into model archives; runs in AWS's scikit-learn container.

The container calls the four functions: https://sagemaker.readthedocs.io/en/stable/frameworks/sklearn/using_sklearn.html
"""

from pathlib import Path

from mlflow_payloads import input_fn, output_fn, predict_fn, told

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]


def model_fn(model_dir):
    """Load the model in the format that its MLmodel names; returns its method that predicts.

    A pickle runs what it says: only this container, which is the model's own, ever opens it.
    """
    given = told(model_dir)
    path = Path(model_dir) / given["file"]
    if given["format"] == "skops":
        import skops.io

        model = skops.io.load(path, trusted=given["trusted_types"])
    else:
        if given["format"] == "cloudpickle":
            import cloudpickle as pickle
        else:
            import pickle
        with path.open("rb") as file:
            model = pickle.load(file)
    return getattr(model, given["predict"])
