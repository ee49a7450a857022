"""Entry points of AWS Lambda: small, with the standard library and what Lambda's Python has by itself."""
