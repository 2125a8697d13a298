"""The one exception inside this room."""


class NotFeedForward(Exception):
    """A step that no feed-forward network of ours has; the message completes "because ...". Caught in this room."""
