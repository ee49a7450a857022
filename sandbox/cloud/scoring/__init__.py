"""Runs the code in a model archive as SageMaker's framework containers do."""
