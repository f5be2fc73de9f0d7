"""A newer wa-js than the one that this release ships: fetched, tried, adopted or rejected, without waiting for a release."""
