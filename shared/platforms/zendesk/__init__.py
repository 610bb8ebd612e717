"""Zendesk Support: event subscriptions, messaging events, and triggers that post our template. A conversation is a
ticket's id.
"""
