"""HTTP APIs of API Gateway, under `/_api/<id>` of this cloud: requests reach their functions."""
