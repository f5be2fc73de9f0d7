"""The desktop agent: carries operations out in WhatsApp Web."""
