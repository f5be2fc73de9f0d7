"""WhatsApp Web in a browser of ours: what the agent asks of it (page), and the one implementation (wa-js over pyppeteer over Chromium's pipe)."""
