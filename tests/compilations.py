"""Counting what XLA compiles, to show that a second call compiles nothing."""

import contextlib

import jax

_events: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: _events.append(event))


@contextlib.contextmanager
def counted_compilations():
    """Gives a function that tells how many programs were compiled since the `with` began."""
    start = len(_events)
    yield lambda: sum("backend_compile" in event for event in _events[start:])
