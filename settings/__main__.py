"""``python -m settings`` prints the JSON Schema of config/inference.yaml, by which editors complete its keys."""

import json

from settings.inference import inference_schema

print(json.dumps(inference_schema(), indent=2))  # noqa: T201  its output is the schema
