"""Sunshine Conversations, the messaging of Zendesk. A conversation is `app/conversation`."""
