"""SageMaker's control plane: models, endpoint configurations, endpoints, package groups, packages, tags."""
