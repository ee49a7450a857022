"""A stand-in for a Databricks workspace: its model registry and its registry webhooks, under `/api/2.0/mlflow/`."""
