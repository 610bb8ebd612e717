"""Slack: the messages of channels that customers are in, through the Events API. A conversation is `channel/thread`."""
