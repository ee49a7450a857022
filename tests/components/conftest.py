"""Components and the program, run against a strict mock of the engine (tests/support/engine.py).

Proves: which resources are registered, with which names, inputs, outputs, dependencies and hooks.
Does not prove: that engine and AWS accept them, nor that a hook is called; the engine tier does.
"""
