"""The twin: a local stand-in for WhatsApp Web and the phone network behind it.

A real browser opens its page, the real wa-js drives the page's modules, and what the page sends arrives at a small phone
network that logs every arrival. Programs are tried against it, and the project's own tests take its log as their oracle, so it
shares no code with the rest of the project.
"""
