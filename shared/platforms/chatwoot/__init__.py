"""Chatwoot: webhooks of an agent bot, of an account, or of an API channel. A conversation is `account/number`."""
