"""Small modules that both programs stand on; no word of the domain is in them."""
