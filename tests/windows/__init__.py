"""What only Windows can show; collected there alone, so that nothing is skipped elsewhere."""
